{{- define "reaper.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "reaper.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "reaper.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "reaper.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "reaper.selectorLabels" -}}
app.kubernetes.io/name: {{ include "reaper.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "reaper.labels" -}}
{{ include "reaper.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "reaper.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- define "reaper.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "reaper.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* Variables that name files and Secrets. Other options are in the config file. */}}
{{- define "reaper.env" -}}
- name: REAPER_CONFIG
  value: /etc/jobservice-reaper/config/config.yaml
{{- if .Values.redis.existingSecret.name }}
- name: REAPER_REDIS_FILE
  value: /etc/jobservice-reaper/redis/url
{{- else }}
- name: REAPER_REDIS
  value: {{ .Values.redis.url | quote }}
{{- end }}
{{- if .Values.redis.caSecret.name }}
- name: NODE_EXTRA_CA_CERTS
  value: /etc/jobservice-reaper/redis-ca/ca.crt
{{- end }}
{{- with .Values.redis.sentinel.username }}
- name: REAPER_SENTINEL_USERNAME
  value: {{ . | quote }}
{{- end }}
{{- if .Values.redis.sentinel.existingSecret.name }}
- name: REAPER_SENTINEL_PASSWORD_FILE
  value: /etc/jobservice-reaper/sentinel/password
{{- end }}
{{- if .Values.hooks.tls.existingSecret }}
{{- with .Values.hooks.tls.caKey }}
- name: REAPER_HOOKS_TLS_CA_FILE
  value: /etc/jobservice-reaper/hooks-tls/ca.crt
{{- end }}
{{- with .Values.hooks.tls.certKey }}
- name: REAPER_HOOKS_TLS_CERT_FILE
  value: /etc/jobservice-reaper/hooks-tls/tls.crt
{{- end }}
{{- with .Values.hooks.tls.keyKey }}
- name: REAPER_HOOKS_TLS_KEY_FILE
  value: /etc/jobservice-reaper/hooks-tls/tls.key
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* One volume: name, Secret, and which key becomes which file. */}}
{{- define "reaper.secretVolume" -}}
- name: {{ .name }}
  secret:
    secretName: {{ .secret | quote }}
    defaultMode: 0440
    items:
      {{- range .items }}
      {{- if index . 0 }}
      - key: {{ index . 0 | quote }}
        path: {{ index . 1 }}
      {{- end }}
      {{- end }}
{{- end }}

{{- define "reaper.volumes" -}}
- name: config
  configMap:
    name: {{ include "reaper.fullname" . }}
{{- with .Values.redis.existingSecret }}
{{- if .name }}
{{ include "reaper.secretVolume" (dict "name" "redis" "secret" .name "items" (list (list .key "url"))) }}
{{- end }}
{{- end }}
{{- with .Values.redis.caSecret }}
{{- if .name }}
{{ include "reaper.secretVolume" (dict "name" "redis-ca" "secret" .name "items" (list (list .key "ca.crt"))) }}
{{- end }}
{{- end }}
{{- with .Values.redis.sentinel.existingSecret }}
{{- if .name }}
{{ include "reaper.secretVolume" (dict "name" "sentinel" "secret" .name "items" (list (list .key "password"))) }}
{{- end }}
{{- end }}
{{- with .Values.hooks.tls }}
{{- if .existingSecret }}
{{ include "reaper.secretVolume" (dict "name" "hooks-tls" "secret" .existingSecret "items" (list (list .caKey "ca.crt") (list .certKey "tls.crt") (list .keyKey "tls.key"))) }}
{{- end }}
{{- end }}
{{- end }}
