{{/*
Conditions (CEL) that spare calls. Each leaves out only what the webhook itself passes without a word; what is left out is not
judged, so when in doubt a request is sent. None may fail on any object: under failurePolicy Fail that refuses the request.
*/}}

{{/* A mirror pod is a picture of what its node runs from a file; a patch would not change it. */}}
{{- define "buttress.isMirrorPod" -}}
'kubernetes.io/config.mirror' in object.metadata.?annotations.orValue({})
{{- end }}

{{- define "buttress.createdPodConditions" -}}
- name: no-mirror-pod
  expression: >-
    !({{ include "buttress.isMirrorPod" . }})
{{- end }}

{{/*
Only a node's own mirror pods are left out: anybody else can write the annotation too. And only updates in which nothing that is
judged changes: Jobs, for one, take a finalizer off each of their pods, and that must never wait for a webhook.
*/}}
{{- define "buttress.judgedPodConditions" -}}
- name: no-mirror-pod-of-a-node
  expression: >-
    !(request.userInfo.username.startsWith('system:node:') && {{ include "buttress.isMirrorPod" . }})
- name: something-judged-changes
  expression: >-
    request.operation != 'UPDATE'
    || object.?spec != oldObject.?spec
    || object.metadata.?labels != oldObject.metadata.?labels
    || object.metadata.?annotations != oldObject.metadata.?annotations
    || object.metadata.?ownerReferences != oldObject.metadata.?ownerReferences
{{- end }}

{{/*
Of workloads nothing is refused, so here it is enough to tell once: not of what a controller makes of an object that was told of
(the ReplicaSets of Deployments, the Jobs of CronJobs), and not at changes beside the spec.
*/}}
{{- define "buttress.workloadConditions" -}}
- name: not-made-by-a-controller
  expression: >-
    !object.metadata.?ownerReferences.orValue([]).exists(owner, owner.?controller.orValue(false))
- name: the-spec-changes
  expression: >-
    request.operation != 'UPDATE' || object.?spec != oldObject.?spec
{{- end }}
