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

{{/* Where pods of a Deployment run, and what they may push aside. */}}
{{- define "aliquot.pods" -}}
{{- with . }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
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

{{/* Where an object has its pod, in CEL: `object` or `oldObject`. */}}
{{- define "aliquot.pod" -}}
(request.kind.kind == 'Pod' ? dyn({{ . }}) : request.kind.kind == 'PodTemplate' ? dyn({{ . }}).?template.orValue({}) : request.kind.kind == 'CronJob' ? dyn({{ . }}).?spec.?jobTemplate.?spec.?template.orValue({}) : dyn({{ . }}).?spec.?template.orValue({}))
{{- end }}

{{/* Whether an object names one of our resources or annotations, in CEL. */}}
{{- define "aliquot.speaks" -}}
{{- $pod := include "aliquot.pod" "object" -}}
{{- $ours := printf "name.startsWith('%s/')" .domain -}}
{{- if .translate }}{{ $ours = printf "(%s || name.startsWith('nvidia.com/gpu') || name.startsWith('nvidia.com/mig-') || name.startsWith('gpu-'))" $ours }}{{ end -}}
{{ $pod }}.?metadata.?annotations.orValue({}).exists(name, {{ $ours }}) ||
({{ $pod }}.?spec.?containers.orValue([]) + {{ $pod }}.?spec.?initContainers.orValue([])).exists(c,
c.?resources.?limits.orValue({}).exists(name, {{ $ours }}) ||
c.?resources.?requests.orValue({}).exists(name, {{ $ours }}))
{{- end }}

{{/* Whether anything differs that admission looks at, in CEL. Controllers take finalizers and labels away from pods that
have run: they must not wait for a webhook that is away. */}}
{{- define "aliquot.changes" -}}
{{- $pod := include "aliquot.pod" "object" -}}
{{- $old := include "aliquot.pod" "oldObject" -}}
request.operation != 'UPDATE' ||
{{ $pod }}.?spec.orValue({}) != {{ $old }}.?spec.orValue({}) ||
{{ $pod }}.?metadata.?annotations.orValue({}) != {{ $old }}.?metadata.?annotations.orValue({})
{{- end }}
