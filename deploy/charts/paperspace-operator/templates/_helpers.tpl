{{- define "paperspace-operator.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* What everything is called: the release, unless that leaves the chart's name out. Room is left for the longest suffix. */}}
{{- define "paperspace-operator.fullname" -}}
{{- $name := include "paperspace-operator.name" . }}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) }}
{{- .Values.fullnameOverride | default $full | trunc 52 | trimSuffix "-" }}
{{- end }}

{{/* What selects the pods. It can never change: a Deployment's selector is immutable. */}}
{{- define "paperspace-operator.selector" -}}
app.kubernetes.io/name: {{ include "paperspace-operator.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: controller
{{- end }}

{{- define "paperspace-operator.labels" -}}
app.kubernetes.io/name: {{ include "paperspace-operator.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/part-of: paperspace-operator
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "paperspace-operator.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (.Values.serviceAccount.create | ternary (include "paperspace-operator.fullname" .) "default") }}
{{- end }}

{{- define "paperspace-operator.image" -}}
{{ .Values.image.repository }}
{{- with .Values.image.digest }}@{{ . }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* Whether the labels of namespaces say who may use the operator's own key: then it reads them. */}}
{{- define "paperspace-operator.readsNamespaces" -}}
{{ if or (not .Values.watchNamespaces) (contains "=" .Values.operator.defaultKeyNamespaces) }}yes{{ end }}
{{- end }}

{{/* Values that exclude each other, said in words. */}}
{{- define "paperspace-operator.check" -}}
{{- if and (gt (int .Values.replicas) 1) (not .Values.leaderElection.enabled) }}
{{- fail "replicas is more than 1: leaderElection.enabled must be true, or two operators work on the same resources" }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled (not .Values.service.enabled) }}
{{- fail "serviceMonitor.enabled needs service.enabled: it is the Service that is scraped" }}
{{- end }}
{{- with .Values.podDisruptionBudget }}
{{- if and .enabled (not (kindIs "invalid" .minAvailable)) (not (kindIs "invalid" .maxUnavailable)) }}
{{- fail "podDisruptionBudget: either minAvailable or maxUnavailable, not both" }}
{{- end }}
{{- end }}
{{- end }}
