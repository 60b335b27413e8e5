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
{{- if hasKey $config "replicas" }}{{ fail "config.replicas: the chart sets it from sharing; remove it" }}{{ end }}
{{- range list "listen" "operator" "tls" }}
{{- if hasKey $config . }}{{ fail (printf "config.%s: the chart sets it; remove it" .) }}{{ end }}
{{- end }}
{{- if hasKey (default (dict) $config.storage) "path" }}{{ fail "config.storage.path: the chart sets it; remove it" }}{{ end }}
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
{{- if .Values.sharing.secret }}
{{- $peers := list }}
{{- range $i := until (int .Values.replicas) }}
{{- $peers = append $peers (include "gateway.replica" (dict "root" $ "pod" (printf "%s-%d" (include "gateway.name" $) $i))) }}
{{- end }}
{{- $scheme := ternary "https" "http" (ne .Values.sharing.tls.secretName "") }}
{{- $replicas := dict "listen" (printf "%s://0.0.0.0:5002" $scheme) "peers" $peers "secretFile" "/run/secrets/gateway/replicas/secret" }}
{{- with .Values.sharing.redis }}
{{- if .address }}
{{- $redis := dict "address" .address "tls" .tls }}
{{- if .passwordSecret }}{{ $_ := set $redis "passwordFile" "/run/secrets/gateway/redis/password" }}{{ end }}
{{- $_ := set $replicas "redis" $redis }}
{{- end }}
{{- end }}
{{- if .Values.sharing.tls.secretName }}
{{- $folder := "/run/secrets/gateway/replicas-tls" }}
{{- $tls := dict "certificate" (printf "%s/tls.crt" $folder) "key" (printf "%s/tls.key" $folder) }}
{{- $_ := set $replicas "tls" (merge $tls (dict "clientAuthorities" (printf "%s/ca.crt" $folder) "clientCertificates" "require")) }}
{{- end }}
{{- $_ := set $config "replicas" $replicas }}
{{- end }}
{{- toYaml $config }}
{{- end }}

{{- /* The address of one replica for the others: the name that the headless Service gives its pod. */ -}}
{{- define "gateway.replica" -}}
{{ ternary "https" "http" (ne .root.Values.sharing.tls.secretName "") }}://{{ .pod }}.{{ include "gateway.name" .root }}-pods.{{ .root.Release.Namespace }}.svc:5002
{{- end }}
