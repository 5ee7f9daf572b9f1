// The real admission of a Kubernetes API server, for comparison: the admission plugins of k8s.io/apiserver
// (policies and webhooks, with their chain, CEL, cost limits and reinvocation) over objects that come on
// stdin, one line of JSON each. Types, quantities and defaults are k8s.io/api's and apimachinery's; what only
// k8s.io/kubernetes has (its own validation, most defaults) is not here, and nothing here decides anything.
// `cargo xtask peers admission` builds and runs it.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/klog/v2"
)

// start is the first line: what an administrator applied.
type start struct {
	Manifests []json.RawMessage `json:"manifests"`
}

// started says what the API server would have said of the manifests.
type started struct {
	// Version is that of the libraries whose CEL environment is used.
	Version string `json:"version"`
	// Problems are expressions that do not compile, as a new object of this version.
	Problems []string `json:"problems"`
	// Since is, by manifest, the first version whose environment compiles all of it.
	Since map[string]string `json:"since"`
	// Warnings are those of the type check against the OpenAPI of the kinds.
	Warnings []string `json:"warnings"`
}

// request is an object at one step of its way.
type request struct {
	// Step is decode, mutate or validate.
	Step      string          `json:"step"`
	Group     string          `json:"group"`
	Kind      string          `json:"kind"`
	Namespace json.RawMessage `json:"namespace"`
	Object    json.RawMessage `json:"object"`
	Old       json.RawMessage `json:"old"`
}

// answer is the object after the step, or why it is refused.
type answer struct {
	Object  runtime.Object `json:"object,omitempty"`
	Refused string         `json:"refused,omitempty"`
	Code    int32          `json:"code,omitempty"`
	// Micros is how long the step took, in microseconds.
	Micros int64 `json:"micros"`
}

func main() {
	quiet()
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	if err := serve(in, json.NewEncoder(os.Stdout)); err != nil && !errors.Is(err, io.EOF) {
		fmt.Fprintln(os.Stderr, "real admission:", err)
		os.Exit(1)
	}
}

func serve(in *bufio.Reader, out *json.Encoder) error {
	var first start
	if err := line(in, &first); err != nil {
		return err
	}
	manifests, err := decodeAll(first.Manifests)
	if err != nil {
		return err
	}
	said := judge(manifests)
	chain, err := newServer(manifests)
	if err != nil {
		return err
	}
	if err := out.Encode(said); err != nil {
		return err
	}
	for {
		var asked request
		if err := line(in, &asked); err != nil {
			return err
		}
		before := time.Now()
		object, err := chain.step(context.Background(), &asked)
		said := answer{Object: object, Micros: time.Since(before).Microseconds()}
		if err != nil {
			said = answer{Refused: err.Error(), Code: code(err), Micros: said.Micros}
		}
		if err := out.Encode(said); err != nil {
			return err
		}
	}
}

// step does what the API server does with an object at one step.
func (s *server) step(ctx context.Context, asked *request) (runtime.Object, error) {
	attributes, err := s.attributes(asked)
	if err != nil {
		return nil, err
	}
	objects := admission.NewObjectInterfacesFromScheme(scheme)
	switch asked.Step {
	case "decode":
	case "mutate":
		err = s.chain.(admission.MutationInterface).Admit(ctx, attributes, objects)
		scheme.Default(attributes.GetObject())
	case "validate":
		err = s.chain.(admission.ValidationInterface).Validate(ctx, attributes, objects)
	default:
		err = fmt.Errorf("there is no step %q", asked.Step)
	}
	return attributes.GetObject(), err
}

// quiet leaves of the libraries' log what is wrong.
func quiet() {
	flags := flag.NewFlagSet("klog", flag.PanicOnError)
	klog.InitFlags(flags)
	_ = flags.Set("logtostderr", "false")
	_ = flags.Set("stderrthreshold", "ERROR")
	klog.SetOutput(io.Discard)
}

func code(err error) int32 {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return status.Status().Code
	}
	return 0
}

func line(in *bufio.Reader, into any) error {
	text, err := in.ReadBytes('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}
