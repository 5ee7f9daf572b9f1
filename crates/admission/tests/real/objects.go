// Objects as the API server has them after decoding: typed, quantities in thousandths, limits in a pod's
// requests. Those two defaults are k8s.io/kubernetes' (pkg/apis/core/v1/defaults.go), which no library has.
package main

import (
	"encoding/json"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/conversion"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
)

var kinds = []schema.GroupVersionKind{
	corev1.SchemeGroupVersion.WithKind("Pod"),
	corev1.SchemeGroupVersion.WithKind("PodTemplate"),
	corev1.SchemeGroupVersion.WithKind("ReplicationController"),
	appsv1.SchemeGroupVersion.WithKind("Deployment"),
	appsv1.SchemeGroupVersion.WithKind("ReplicaSet"),
	appsv1.SchemeGroupVersion.WithKind("StatefulSet"),
	appsv1.SchemeGroupVersion.WithKind("DaemonSet"),
	batchv1.SchemeGroupVersion.WithKind("Job"),
	batchv1.SchemeGroupVersion.WithKind("CronJob"),
}

var scheme = newScheme()

func newScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	if err := clientscheme.AddToScheme(scheme); err != nil {
		panic(err)
	}
	workload(scheme, func(pod *corev1.Pod) { pods(&pod.Spec, true) })
	workload(scheme, func(one *corev1.PodTemplate) { pods(&one.Template.Spec, false) })
	workload(scheme, func(one *corev1.ReplicationController) {
		if one.Spec.Template != nil {
			pods(&one.Spec.Template.Spec, false)
		}
	})
	workload(scheme, func(one *appsv1.Deployment) { pods(&one.Spec.Template.Spec, false) })
	workload(scheme, func(one *appsv1.ReplicaSet) { pods(&one.Spec.Template.Spec, false) })
	workload(scheme, func(one *appsv1.StatefulSet) { pods(&one.Spec.Template.Spec, false) })
	workload(scheme, func(one *appsv1.DaemonSet) { pods(&one.Spec.Template.Spec, false) })
	workload(scheme, func(one *batchv1.Job) { pods(&one.Spec.Template.Spec, false) })
	workload(scheme, func(one *batchv1.CronJob) { pods(&one.Spec.JobTemplate.Spec.Template.Spec, false) })
	defaultAdmission(scheme)
	return scheme
}

func defaultAdmission(scheme *runtime.Scheme) {
	defaults(scheme, func(one *admissionv1.ValidatingAdmissionPolicy) { defaultMatch(one.Spec.MatchConstraints) })
	defaults(scheme, func(one *admissionv1.MutatingAdmissionPolicy) { defaultMatch(one.Spec.MatchConstraints) })
	defaults(scheme, func(one *admissionv1.ValidatingAdmissionPolicyBinding) { defaultMatch(one.Spec.MatchResources) })
	defaults(scheme, func(one *admissionv1.MutatingAdmissionPolicyBinding) { defaultMatch(one.Spec.MatchResources) })
	defaults(scheme, func(one *admissionv1.MutatingWebhookConfiguration) {
		for i := range one.Webhooks {
			defaultSelectors(&one.Webhooks[i].NamespaceSelector, &one.Webhooks[i].ObjectSelector)
		}
	})
	defaults(scheme, func(one *admissionv1.ValidatingWebhookConfiguration) {
		for i := range one.Webhooks {
			defaultSelectors(&one.Webhooks[i].NamespaceSelector, &one.Webhooks[i].ObjectSelector)
		}
	})
}

// defaults registers what is filled in where an object does not say it.
func defaults[P runtime.Object](scheme *runtime.Scheme, fill func(P)) {
	var none P
	scheme.AddTypeDefaultingFunc(none, func(object any) { fill(object.(P)) })
}

// workload registers a kind's defaults, and its copy in place of the conversion to an internal version.
func workload[T any, P interface {
	*T
	runtime.Object
}](scheme *runtime.Scheme, fill func(P)) {
	defaults(scheme, fill)
	copied := func(from, to any, _ conversion.Scope) error {
		*(*T)(to.(P)) = *(*T)(from.(P).DeepCopyObject().(P))
		return nil
	}
	if err := scheme.AddConversionFunc(P(nil), P(nil), copied); err != nil {
		panic(err)
	}
}

func pods(spec *corev1.PodSpec, isPod bool) {
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range containers {
			asked := &containers[i].Resources
			rounded(asked.Limits)
			rounded(asked.Requests)
			for name, limit := range asked.Limits {
				if _, has := asked.Requests[name]; isPod && !has {
					if asked.Requests == nil {
						asked.Requests = corev1.ResourceList{}
					}
					asked.Requests[name] = limit.DeepCopy()
				}
			}
		}
	}
}

func rounded(list corev1.ResourceList) {
	for name, quantity := range list {
		quantity.RoundUp(resource.Milli)
		list[name] = quantity
	}
}

func decode(text json.RawMessage) (runtime.Object, *schema.GroupVersionKind, error) {
	object, kind, err := serializer.NewCodecFactory(scheme).UniversalDeserializer().Decode(text, nil, nil)
	if err == nil {
		scheme.Default(object)
	}
	return object, kind, err
}

func decodeAll(texts []json.RawMessage) ([]runtime.Object, error) {
	var all []runtime.Object
	for _, text := range texts {
		object, _, err := decode(text)
		if err != nil {
			return nil, err
		}
		all = append(all, object)
	}
	return all, nil
}

// defaultMatch is what k8s.io/kubernetes (pkg/apis/admissionregistration/v1/defaults.go) makes of what a
// policy looks at.
func defaultMatch(match *admissionv1.MatchResources) {
	if match == nil {
		return
	}
	if match.MatchPolicy == nil {
		match.MatchPolicy = ptr.To(admissionv1.Equivalent)
	}
	defaultSelectors(&match.NamespaceSelector, &match.ObjectSelector)
}

// defaultSelectors lets what is not said select everything.
func defaultSelectors(all ...**metav1.LabelSelector) {
	for _, one := range all {
		if *one == nil {
			*one = &metav1.LabelSelector{}
		}
	}
}

func isAdmission(object runtime.Object) bool {
	kinds, _, err := scheme.ObjectKinds(object)
	return err == nil && kinds[0].Group == admissionv1.GroupName
}
