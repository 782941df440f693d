{{/*
The command line. A value of `operator` is the flag of the same name, --poll-interval for pollInterval; what is empty is left to the
operator's default. logFormat and adminListen are in the environment, where `paperspace-operator log` in the same pod finds the latter.
*/}}
{{- define "paperspace-operator.args" -}}
- run
{{- if .Values.leaderElection.enabled }}
- --leader-elect
{{- end }}
{{- range $name, $value := omit .Values.operator "adminListen" "logFormat" }}
{{- if kindIs "bool" $value }}
{{- if $value }}
- --{{ kebabcase $name }}
{{- end }}
{{- else if $value }}
- {{ printf "--%s=%v" (kebabcase $name) $value | quote }}
{{- end }}
{{- end }}
{{- range .Values.watchNamespaces }}
- {{ printf "--watch-namespace=%s" . | quote }}
{{- end }}
{{- range .Values.extraArgs }}
- {{ quote . }}
{{- end }}
{{- end }}
