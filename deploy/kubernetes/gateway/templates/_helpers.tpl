{{- define "gateway.name" -}}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{- end }}

{{- define "gateway.selector" -}}
app.kubernetes.io/name: gateway
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "gateway.labels" -}}
{{ include "gateway.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "gateway.tokenSecret" -}}
{{ .Values.operator.tokenSecret | default (printf "%s-operator" (include "gateway.name" .)) }}
{{- end }}

{{- /* gateway.yaml: the values of config, and what belongs to the pod. */ -}}
{{- define "gateway.config" -}}
{{- $config := deepCopy .Values.config }}
{{- range list "listen" "operator" "storage" "tls" }}
{{- if hasKey $config . }}{{ fail (printf "config.%s: the chart sets it; remove it" .) }}{{ end }}
{{- end }}
{{- $scheme := ternary "https" "http" (ne .Values.tls.secretName "") }}
{{- $_ := set $config "listen" (printf "%s://0.0.0.0:5000" $scheme) }}
{{- $_ := set $config "operator" (dict "url" "http://0.0.0.0:5001" "tokenFile" "/run/secrets/gateway/operator/token") }}
{{- if .Values.tls.secretName }}
{{- $tls := dict "certificate" "/run/secrets/gateway/tls/tls.crt" "key" "/run/secrets/gateway/tls/tls.key" }}
{{- $_ := set $config "tls" $tls }}
{{- end }}
{{- if .Values.access.htpasswdSecret }}
{{- $access := merge (dict "htpasswd" "/run/secrets/gateway/access/htpasswd") (default (dict) $config.access) }}
{{- $_ := set $config "access" $access }}
{{- end }}
{{- toYaml $config }}
{{- end }}
