{{/*
What the webhook is never asked about. Names, not labels: the API server itself sets kubernetes.io/metadata.name, and nobody
can change it. The presets hold what a cluster must be able to start without anybody's leave: drivers of accelerators, networks
and volumes, in the namespaces that their makers' instructions give them.
*/}}
{{- define "buttress.namespacePresets" -}}
gpu: [gpu-operator, habana-ai-operator, inteldeviceplugins-system, kube-amd-gpu, node-feature-discovery, nvidia-device-plugin, nvidia-dra-driver-gpu, nvidia-gpu-operator, nvidia-network-operator]
cni: [calico-apiserver, calico-system, cilium, kube-flannel, metallb-system, tigera-operator]
csi: [ceph-csi-cephfs, ceph-csi-rbd, democratic-csi, local-path-storage, longhorn-system, openebs, portworx, rook-ceph, topolvm-system, trident, vmware-system-csi]
{{- end }}

{{/* The names that no value brings back. */}}
{{- define "buttress.systemNamespaces" -}}
{{- toYaml (list .Release.Namespace "kube-system" "kube-public" "kube-node-lease" | uniq) -}}
{{- end }}

{{- define "buttress.excludedNamespaces" -}}
{{- $names := concat (include "buttress.systemNamespaces" . | fromYamlArray) .Values.excludedNamespaces -}}
{{- $presets := include "buttress.namespacePresets" . | fromYaml -}}
{{- range .Values.excludedNamespacePresets -}}
{{- $names = concat $names (get $presets .) -}}
{{- end -}}
{{- toYaml ($names | uniq | sortAlpha) -}}
{{- end }}

{{/* The namespaces that are enforced, once it is sure that nothing in them is needed to bring the webhook up. */}}
{{- define "buttress.enforcedNamespaces" -}}
{{- $excluded := include "buttress.excludedNamespaces" . | fromYamlArray -}}
{{- range .Values.validation.enforcedNamespaces -}}
{{- if has . $excluded -}}
{{- fail (printf "validation.enforcedNamespaces: %s is excluded, so nothing can be enforced there" .) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.validation.enforcedNamespaces (lt (int .Values.replicas) 2) -}}
{{- fail "validation.enforcedNamespaces: needs replicas of at least 2, as no pod starts there while no replica answers" -}}
{{- end -}}
{{- toYaml (.Values.validation.enforcedNamespaces | uniq | sortAlpha) -}}
{{- end }}

{{/* A namespaceSelector that leaves out the names in `names`. */}}
{{- define "buttress.notIn" -}}
matchExpressions:
  - key: kubernetes.io/metadata.name
    operator: NotIn
    values: {{- toYaml .names | nindent 6 }}
{{- end }}
