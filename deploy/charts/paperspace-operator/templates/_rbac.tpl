{{/*
A role, bound to the operator's account: one for the whole cluster or, with watchNamespaces, one in each of these.
Takes the root, what follows the name, and the rules as text.
*/}}
{{- define "paperspace-operator.role" -}}
{{- $name := printf "%s%s" (include "paperspace-operator.fullname" .root) .suffix }}
{{- range .root.Values.watchNamespaces }}
{{- include "paperspace-operator.boundRole" (dict "root" $.root "name" $name "kind" "Role" "namespace" . "rules" $.rules) }}
{{- else }}
{{- include "paperspace-operator.boundRole" (dict "root" $.root "name" $name "kind" "ClusterRole" "namespace" "" "rules" $.rules) }}
{{- end }}
{{- end }}

{{- define "paperspace-operator.boundRole" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}
{{ include "paperspace-operator.roleMetadata" . }}
rules:
{{ .rules }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}Binding
{{ include "paperspace-operator.roleMetadata" . }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .kind }}
  name: {{ .name | quote }}
subjects:
- kind: ServiceAccount
  name: {{ include "paperspace-operator.serviceAccount" .root | quote }}
  namespace: {{ .root.Release.Namespace | quote }}
---
{{ end }}

{{- define "paperspace-operator.roleMetadata" -}}
metadata:
  name: {{ .name | quote }}
  {{- with .namespace }}
  namespace: {{ . | quote }}
  {{- end }}
  labels:
    {{- include "paperspace-operator.labels" .root | nindent 4 }}
{{- end }}
