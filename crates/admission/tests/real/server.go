// The chain of plugins, with a client whose objects are the manifests alone.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/initializer"
	mutatingpolicy "k8s.io/apiserver/pkg/admission/plugin/policy/mutating"
	validatingpolicy "k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	mutatingwebhook "k8s.io/apiserver/pkg/admission/plugin/webhook/mutating"
	validatingwebhook "k8s.io/apiserver/pkg/admission/plugin/webhook/validating"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/util/compatibility"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	webhookutil "k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/client-go/discovery"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/openapi"
	"k8s.io/client-go/openapi/openapitest"
	"k8s.io/client-go/rest"
)

// plugins in the order in which an API server runs them.
var plugins = []string{
	mutatingpolicy.PluginName, mutatingwebhook.PluginName,
	validatingpolicy.PluginName, validatingwebhook.PluginName,
}

type server struct {
	chain  admission.Interface
	client *client
	known  sets.Set[string]
}

// client is a clientset with the OpenAPI documents that client-go carries for its own tests: the real ones
// of the groups of pods and workloads.
type client struct{ *fake.Clientset }

type documents struct{ discovery.DiscoveryInterface }

func (c *client) Discovery() discovery.DiscoveryInterface { return documents{c.Clientset.Discovery()} }
func (documents) OpenAPIV3() openapi.Client               { return openapitest.NewEmbeddedFileClient() }

type anyone struct{}

func (anyone) Authorize(context.Context, authorizer.Attributes) (authorizer.Decision, string, error) {
	return authorizer.DecisionAllow, "", nil
}

func newServer(manifests []runtime.Object) (*server, error) {
	var cluster []runtime.Object
	for _, one := range manifests {
		if isAdmission(one) {
			cluster = append(cluster, one)
		}
	}
	clients := &client{fake.NewClientset(cluster...)}
	shared := informers.NewSharedInformerFactory(clients, 0)
	registry := admission.NewPlugins()
	mutatingpolicy.Register(registry)
	validatingpolicy.Register(registry)
	mutatingwebhook.Register(registry)
	validatingwebhook.Register(registry)
	never := make(chan struct{})
	generic := initializer.New(clients, dynamicfake.NewSimpleDynamicClient(scheme), shared, anyone{},
		utilfeature.DefaultFeatureGate, compatibility.DefaultBuildEffectiveVersion(), never, mapper())
	chain, err := registry.NewFromPlugins(plugins, noConfig{}, admission.PluginInitializers{generic, plain{}}, nil)
	if err != nil {
		return nil, err
	}
	shared.Start(never)
	shared.WaitForCacheSync(never)
	return &server{chain: chain, client: clients, known: sets.New[string]()}, nil
}

// attributes of a request as the handlers of an API server make them.
func (s *server) attributes(asked *request) (admission.Attributes, error) {
	object, kind, err := decode(asked.Object)
	if err != nil {
		return nil, err
	}
	if kind.Group != asked.Group || kind.Kind != asked.Kind {
		return nil, fmt.Errorf("the object is a %s", kind)
	}
	namespace, err := s.namespace(asked.Namespace)
	if err != nil {
		return nil, err
	}
	accessor, err := meta.Accessor(object)
	if err != nil {
		return nil, err
	}
	accessor.SetNamespace(namespace)
	var old runtime.Object
	operation, options := admission.Create, runtime.Object(&metav1.CreateOptions{})
	if len(asked.Old) > 0 && !bytes.Equal(asked.Old, []byte("null")) {
		if old, _, err = decode(asked.Old); err != nil {
			return nil, err
		}
		operation, options = admission.Update, &metav1.UpdateOptions{}
	}
	resource, err := mapper().RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, err
	}
	return admission.NewAttributesRecord(object, old, *kind, namespace, accessor.GetName(), resource.Resource,
		"", operation, options, false, &user.DefaultInfo{Name: "someone"}), nil
}

// namespace makes sure that a namespace is there.
func (s *server) namespace(text json.RawMessage) (string, error) {
	object, _, err := decode(text)
	if err != nil {
		return "", err
	}
	namespace, is := object.(*corev1.Namespace)
	if !is {
		return "", fmt.Errorf("%T is no namespace", object)
	}
	if namespace.Labels == nil {
		namespace.Labels = map[string]string{}
	}
	namespace.Labels[corev1.LabelMetadataName] = namespace.Name
	if !s.known.Has(namespace.Name) {
		s.known.Insert(namespace.Name)
		_, err = s.client.CoreV1().Namespaces().Create(context.Background(), namespace, metav1.CreateOptions{})
	}
	return namespace.Name, err
}

type noConfig struct{}

func (noConfig) ConfigFor(string) (io.Reader, error) { return nil, nil }

// plain gives the webhooks no credentials, and services their names for addresses.
type plain struct{}

func (plain) Initialize(plugin admission.Interface) {
	type wants interface {
		SetAuthenticationInfoResolverWrapper(webhookutil.AuthenticationInfoResolverWrapper)
	}
	if plugin, does := plugin.(wants); does {
		plugin.SetAuthenticationInfoResolverWrapper(
			func(webhookutil.AuthenticationInfoResolver) webhookutil.AuthenticationInfoResolver {
				return &webhookutil.AuthenticationInfoResolverDelegator{
					ClientConfigForFunc:        func(string) (*rest.Config, error) { return &rest.Config{}, nil },
					ClientConfigForServiceFunc: func(string, string, int) (*rest.Config, error) { return &rest.Config{}, nil },
				}
			})
	}
}

func mapper() *meta.DefaultRESTMapper {
	known := meta.NewDefaultRESTMapper([]schema.GroupVersion{})
	for _, kind := range kinds {
		known.Add(kind, meta.RESTScopeNamespace)
	}
	return known
}
