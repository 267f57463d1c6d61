{{/* What the pods of every deployment share. Call with the root context. */}}
{{- define "holdfast.pod" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
nodeSelector:
  kubernetes.io/os: linux
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
        - matchExpressions:
            - {key: kubernetes.io/arch, operator: In, values: [amd64, arm64]}
    # A pool for add-ons is preferred where there is one.
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 10
        preference:
          matchExpressions:
            - {key: kubernetes.azure.com/mode, operator: In, values: [system]}
tolerations:
  - {key: CriticalAddonsOnly, operator: Exists}
{{- end }}

{{/* Security of the pod. Call with the root context. */}}
{{- define "holdfast.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* What the container of every deployment shares. Call with the root context. */}}
{{- define "holdfast.container" -}}
image: {{ .Values.image | quote }}
imagePullPolicy: {{ .Values.imagePullPolicy }}
resources: {{ toYaml .Values.resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
terminationMessagePolicy: FallbackToLogsOnError
ports:
  - {name: probes, containerPort: 8081}
livenessProbe:
  httpGet: {path: /healthz, port: probes}
  periodSeconds: 20
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: probes}
  periodSeconds: 5
{{- end }}

{{/* Environment of every container. */}}
{{- define "holdfast.env" -}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: HOLDFAST_MEMORY_LIMIT
  valueFrom: {resourceFieldRef: {resource: limits.memory}}
- name: TMPDIR
  value: /tmp
{{- end }}

{{- define "holdfast.labels" -}}
app.kubernetes.io/part-of: holdfast
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}
