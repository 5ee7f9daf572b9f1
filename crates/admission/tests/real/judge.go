// What an API server says of policies when they are applied: whether their expressions compile, and the
// warnings of its type check.
package main

import (
	"fmt"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/mutating/patch"
	validatingpolicy "k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/cel/openapi/resolver"
	"k8s.io/client-go/kubernetes/fake"
)

// earliest is the first version whose environment is tried.
const earliest = 26

func judge(manifests []runtime.Object) started {
	newest := environment.DefaultCompatibilityVersion()
	said := started{Version: newest.String(), Problems: []string{}, Warnings: []string{}, Since: map[string]string{}}
	checker := validatingpolicy.TypeChecker{
		SchemaResolver: &resolver.ClientDiscoveryResolver{Discovery: (&client{fake.NewClientset()}).Discovery()},
		RestMapper:     mapper(),
	}
	for _, one := range manifests {
		of := parts(one)
		if of == nil {
			continue
		}
		for _, problem := range of.problems(newest) {
			said.Problems = append(said.Problems, of.name+": "+problem)
		}
		said.Since[of.name] = of.since(newest.Minor())
		if policy, is := one.(*admissionv1.ValidatingAdmissionPolicy); is {
			for _, warning := range checker.Check(policy) {
				said.Warnings = append(said.Warnings, fmt.Sprintf("%s: %s: %s", of.name, warning.FieldRef, warning.Warning))
			}
		}
	}
	return said
}

// expressions of one policy, each kind as its plugin compiles it.
type expressions struct {
	name       string
	variables  []cel.NamedExpressionAccessor
	conditions []cel.ExpressionAccessor
	messages   []cel.ExpressionAccessor
	patches    []cel.ExpressionAccessor
}

func parts(object runtime.Object) *expressions {
	of := &expressions{}
	var variables []admissionv1.Variable
	var matches []admissionv1.MatchCondition
	switch policy := object.(type) {
	case *admissionv1.ValidatingAdmissionPolicy:
		of.name, variables, matches = "validating "+policy.Name, policy.Spec.Variables, policy.Spec.MatchConditions
		for _, one := range policy.Spec.Validations {
			of.conditions = append(of.conditions, &validatingpolicy.ValidationCondition{Expression: one.Expression})
			if one.MessageExpression != "" {
				of.messages = append(of.messages,
					&validatingpolicy.MessageExpressionCondition{MessageExpression: one.MessageExpression})
			}
		}
	case *admissionv1.MutatingAdmissionPolicy:
		of.name, variables, matches = "mutating "+policy.Name, policy.Spec.Variables, policy.Spec.MatchConditions
		for _, one := range policy.Spec.Mutations {
			of.patches = append(of.patches, &patch.JSONPatchCondition{Expression: one.JSONPatch.Expression})
		}
	case *admissionv1.MutatingWebhookConfiguration:
		of.name = "mutating webhook " + policy.Name
		for _, one := range policy.Webhooks {
			matches = append(matches, one.MatchConditions...)
		}
	case *admissionv1.ValidatingWebhookConfiguration:
		of.name = "validating webhook " + policy.Name
		for _, one := range policy.Webhooks {
			matches = append(matches, one.MatchConditions...)
		}
	default:
		return nil
	}
	for _, one := range variables {
		of.variables = append(of.variables, &validatingpolicy.Variable{Name: one.Name, Expression: one.Expression})
	}
	for i := range matches {
		of.conditions = append(of.conditions, (*matchconditions.MatchCondition)(&matches[i]))
	}
	return of
}

// since is the first version that compiles all, and what is wrong in the one before.
func (e *expressions) since(newest uint) string {
	wrong := []string{"was not tried"}
	for minor := uint(earliest); minor <= newest; minor++ {
		found := e.problems(version.MajorMinor(1, minor))
		if len(found) == 0 {
			return fmt.Sprintf("1.%d; before: %q", minor, wrong[0])
		}
		wrong = found
	}
	return "none"
}

// problems of the expressions in a new object of a version.
func (e *expressions) problems(of *version.Version) []string {
	compiler, err := cel.NewCompositedCompiler(environment.MustBaseEnvSet(of))
	if err != nil {
		return []string{err.Error()}
	}
	var problems []string
	try := func(options cel.OptionalVariableDeclarations, all []cel.ExpressionAccessor) {
		for _, one := range all {
			if result := compiler.CompileCELExpression(one, options, environment.NewExpressions); result.Error != nil {
				problems = append(problems, result.Error.Error())
			}
		}
	}
	options := cel.OptionalVariableDeclarations{HasAuthorizer: true}
	for _, one := range e.variables {
		result := compiler.CompileAndStoreVariable(one, options, environment.NewExpressions)
		if result.Error != nil {
			problems = append(problems, one.GetName()+": "+result.Error.Error())
		}
	}
	try(options, e.conditions)
	try(cel.OptionalVariableDeclarations{}, e.messages)
	options.HasPatchTypes = true
	try(options, e.patches)
	return problems
}
