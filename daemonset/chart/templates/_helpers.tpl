{{/* Names and the words that several manifests share. */}}
{{- define "aliquot.name" -}}{{ default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}{{- end }}

{{- define "aliquot.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "aliquot.selector" . }}
{{- end }}

{{- define "aliquot.selector" -}}
app.kubernetes.io/name: {{ include "aliquot.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "aliquot.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- define "aliquot.unprivileged" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* Namespaces that admission leaves alone. */}}
{{- define "aliquot.leftAlone" -}}
{{- concat (list "kube-system" "kube-public" "kube-node-lease" .Release.Namespace) .Values.admission.leaveAlone | uniq | toJson }}
{{- end }}

{{/* The resources of whole GPUs of the pools in the agent's configuration, of those for some nodes too. */}}
{{- define "aliquot.pools" -}}
{{- $sections := list .Values.agent.config }}
{{- range (.Values.agent.config.nodes | default list) }}{{ $sections = append $sections (.set | default dict) }}{{ end }}
{{- $pools := list }}
{{- range $section := $sections }}
{{- range $pool, $its := ($section.pools | default dict) }}
{{- $pools = append $pools (($its | default dict).resource | default (printf "gpu-%s" $pool)) }}
{{- end }}
{{- end }}
{{- uniq $pools | toJson }}
{{- end }}

{{/* Whether an object names one of our resources or annotations, in CEL. */}}
{{- define "aliquot.speaks" -}}
{{- $pod := "(request.kind.kind == 'Pod' ? dyn(object) : request.kind.kind == 'PodTemplate' ? dyn(object).?template.orValue({}) : request.kind.kind == 'CronJob' ? dyn(object).?spec.?jobTemplate.?spec.?template.orValue({}) : dyn(object).?spec.?template.orValue({}))" -}}
{{- $ours := printf "name.startsWith('%s/')" .domain -}}
{{- if .translate }}{{ $ours = printf "(%s || name.startsWith('nvidia.com/gpu') || name.startsWith('nvidia.com/mig-') || name.startsWith('gpu-'))" $ours }}{{ end -}}
{{ $pod }}.?metadata.?annotations.orValue({}).exists(name, {{ $ours }}) ||
({{ $pod }}.?spec.?containers.orValue([]) + {{ $pod }}.?spec.?initContainers.orValue([])).exists(c,
c.?resources.?limits.orValue({}).exists(name, {{ $ours }}) ||
c.?resources.?requests.orValue({}).exists(name, {{ $ours }}))
{{- end }}
