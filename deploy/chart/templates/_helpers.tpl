{{/* Names are fixed: a cluster has one Buttress, and its webhook configurations have no namespace to be told apart by. */}}
{{- define "buttress.name" -}}buttress-webhook{{- end }}
{{- define "buttress.authoritySecret" -}}buttress-webhook-ca{{- end }}
{{- define "buttress.issuerSecret" -}}buttress-webhook-issuer{{- end }}
{{- define "buttress.tlsSecret" -}}
{{- if eq .Values.certificates.mode "secret" -}}
{{- required "certificates.mode is secret: certificates.secret.name must name a Secret of type kubernetes.io/tls" .Values.certificates.secret.name -}}
{{- else -}}
buttress-webhook-tls
{{- end -}}
{{- end }}

{{- define "buttress.selectorLabels" -}}
app.kubernetes.io/name: {{ include "buttress.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "buttress.labels" -}}
{{ include "buttress.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "buttress.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* Whether something of the process needs the API server; "" when not. */}}
{{- define "buttress.needsApi" -}}
{{- if or (eq .Values.policySource "cluster") (eq .Values.certificates.mode "built-in") }}true{{ end -}}
{{- end }}

{{/* Annotations of both webhook configurations. */}}
{{- define "buttress.webhookAnnotations" -}}
{{- $annotations := dict -}}
{{- if eq .Values.certificates.mode "cert-manager" -}}
{{- $_ := set $annotations "cert-manager.io/inject-ca-from" (printf "%s/%s" .Release.Namespace (include "buttress.name" .)) -}}
{{- end -}}
{{- toYaml (mergeOverwrite $annotations .Values.webhookAnnotations) -}}
{{- end }}

{{/* How the API server reaches the hook at `path`. There is no caBundle where somebody else writes it. */}}
{{- define "buttress.clientConfig" -}}
{{- $ := .root -}}
service:
  name: {{ include "buttress.name" $ }}
  namespace: {{ $.Release.Namespace }}
  path: {{ .path }}
  port: 443
{{- if eq $.Values.certificates.mode "secret" }}
caBundle: {{ required "certificates.mode is secret: certificates.secret.caBundle must be the authority of the certificate, PEM in base64" $.Values.certificates.secret.caBundle }}
{{- end }}
{{- end }}
