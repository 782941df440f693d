# The part of `up` that puts a recent apiextensions-apiserver behind an old kube-apiserver, for CRDs and our group.
# shellcheck shell=bash disable=SC2154,SC2034

crds=/apis/apiextensions.k8s.io/v1/customresourcedefinitions
crd_server() { "$bin/kubectl" --kubeconfig crd.kubeconfig "$@"; }

# The admission plug-ins left out watch resources that the old kube-apiserver does not have. Grants are cached for a second
# only: tests change roles and look at once.
# shellcheck disable=SC2016
start apiextensions-apiserver 'kubeconfig crd.kubeconfig $port && crd_server get --raw /readyz' \
  "$bin/apiextensions-apiserver" --etcd-servers "$etcd" --secure-port @port@ --bind-address 127.0.0.1 \
  --tls-cert-file pki/server.crt --tls-private-key-file pki/server.key \
  --kubeconfig kubeconfig --authentication-kubeconfig kubeconfig --authorization-kubeconfig kubeconfig \
  --authorization-webhook-cache-authorized-ttl 1s --authorization-webhook-cache-unauthorized-ttl 1s \
  --disable-admission-plugins ValidatingAdmissionPolicy,MutatingAdmissionPolicy --enable-priority-and-fairness=false

# The front asks an aggregated server for the group it should serve, and passes nothing on until it has been there, which it
# checks only every half minute. A resource that is always there keeps the group available before our CRD is applied and after
# it is deleted; without one, namespaces would not finish deleting meanwhile.
failed="keeping $group available"
crd_server create --raw "$crds" -f - >/dev/null <<JSON
{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "placeholders.$group"},
 "spec": {"group": "$group", "scope": "Namespaced", "names": {"kind": "Placeholder", "plural": "placeholders"}, "versions": [
  {"name": "$version", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "description": "Keeps the group available."}}}]}}
JSON
until_true 10 crd_server get --raw "/apis/$group/$version/placeholders"

failed="aggregating $group"
service="service: {name: crd-server, namespace: kube-system, port: $port}, caBundle: $(base64 -w 0 <pki/ca.crt)"
kubectl apply --validate=false -f - >/dev/null <<YAML
apiVersion: v1
kind: Service
metadata: {name: crd-server, namespace: kube-system}
spec: {type: ExternalName, externalName: 127.0.0.1, ports: [{port: $port}]}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: $version.$group}
spec: {group: $group, version: $version, groupPriorityMinimum: 1000, versionPriority: 15, $service}
YAML
# A built-in group's APIService is written only when kube-apiserver starts, so this stays; `restart` does it again.
echo "spec: {$service}" >crds.patch
kubectl patch apiservice v1.apiextensions.k8s.io --type merge --patch "$(cat crds.patch)" >/dev/null

# The switch comes a moment after the APIService says Available, and a CRD applied before would land in the front's own store:
# ask, without effect, for a CRD that only the recent server refuses.
cat >probe.json <<'JSON'
{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "probes.example.dev"}, "spec": {
 "group": "example.dev", "names": {"kind": "Probe", "plural": "probes"}, "scope": "Namespaced", "versions": [{"name": "v1", "served": true,
 "storage": true, "selectableFields": [{"jsonPath": "no dot"}], "schema": {"openAPIV3Schema": {"type": "object"}}}]}}
JSON
switched() {
  local answer
  answer=$(kubectl create --raw "$crds?dryRun=All" -f probe.json 2>&1) && return 1
  [[ $answer == *selectableFields* ]] && kubectl get --raw "/apis/$group/$version/placeholders"
}
until_true 30 switched
rm -f probe.json
