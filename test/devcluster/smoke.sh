#!/bin/bash
# smoke.sh [NAME]: brings a cluster up, uses everything tests rely on, kills its
# node, brings it back, takes it down, and asserts that nothing of it is left.
set -euo pipefail
cd "$(dirname "$0")"
name=${1:-smoke}
dc=$(mktemp /tmp/devcluster-XXXXXX)
go build -o "$dc" ./cmd/devcluster
k() { "$dc" kubectl --name "$name" "$@"; }
step() { echo "$(date +%T) $*"; }
fail() { echo "smoke: FAIL: $*" >&2; exit 1; }
field() { "$dc" status | grep "^name=$name " | grep -o " $1=[^ ]*" | cut -d= -f2-; }
settings() { sysctl -n vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops net.ipv4.ip_forward; nft list ruleset; }

before=$(settings)
folders=$(ls -d /var/lib/kubelet /var/lib/containerd /var/lib/cni /var/lib/etcd /var/log/pods /var/log/containers 2>/dev/null || true)
trap '"$dc" down --name "$name"; rm -f "$dc"' EXIT
step "up"
"$dc" up --name "$name"
[ "$(settings)" = "$before" ] || fail "up changed settings of the machine"

step "volume, workload, DNS"
k create namespace smoke
k -n smoke apply -f - <<'YAML'
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 200Mi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: app, labels: {app: app}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: app
    image: localhost/busybox:1
    command: [sh, -c, "mkdir -p /tmp/www; echo served > /tmp/www/page; [ -e /data/file ] || echo original > /data/file; sync; echo started; exec httpd -f -p 8080 -h /tmp/www"]
    resources: {requests: {cpu: 50m, memory: 64Mi}, limits: {cpu: 1000m, memory: 1280Mi}}
    readinessProbe: {httpGet: {path: /page, port: 8080}, periodSeconds: 1}
    volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
---
apiVersion: v1
kind: Service
metadata: {name: app}
spec: {selector: {app: app}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: headless}
spec: {clusterIP: None, selector: {app: app}, ports: [{port: 8080}]}
YAML
k -n smoke wait --for=condition=Ready pod/app --timeout=60s
[ "$(k -n smoke exec app -- wget -qO- http://app.smoke/page)" = served ] || fail "service by name"
[ "$(k -n smoke exec app -- wget -qO- http://headless.smoke.svc.cluster.local:8080/page)" = served ] || fail "headless service by name"
k -n smoke logs app | grep -q started || fail "logs"
k -n smoke port-forward pod/app 18999:8080 >/dev/null & forward=$!
for _ in $(seq 50); do page=$(busybox wget -qO- http://127.0.0.1:18999/page 2>/dev/null) && break; sleep 0.1; done
kill $forward; wait $forward 2>/dev/null || true; [ "$page" = served ] || fail "port-forward"
k -n smoke cp app:/data/file "$dc.copy" >/dev/null; grep -q original "$dc.copy" || fail "cp"; rm "$dc.copy"

step "the machine, seen from a pod"
address=$("$dc" host-address --name "$name")
busybox httpd -f -p "$address:18998" -h "$PWD" & web=$!
k -n smoke exec app -- wget -qO- "http://$address:18998/go.mod" | grep -q devcluster || { kill $web; fail "pod cannot reach $address"; }
kill $web
k -n smoke exec app -- ip route get 1.1.1.1 >/dev/null
k -n smoke exec app -- timeout 2 nc -w 1 1.1.1.1 80 </dev/null && fail "a pod reached the outside"

step "snapshot, change, restore, clone, raw block, growth"
k -n smoke apply -f - <<'YAML'
apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshot
metadata: {name: moment}
spec: {volumeSnapshotClassName: loop, source: {persistentVolumeClaimName: data}}
YAML
k -n smoke wait --for=jsonpath='{.status.readyToUse}'=true volumesnapshot/moment --timeout=30s
k -n smoke exec app -- sh -c 'echo changed > /data/file; sync'
k -n smoke apply -f - <<'YAML'
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: restored}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 400Mi}}
  dataSource: {apiGroup: snapshot.storage.k8s.io, kind: VolumeSnapshot, name: moment}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: cloned}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 200Mi}}
  dataSource: {kind: PersistentVolumeClaim, name: data}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: raw}
spec: {accessModes: [ReadWriteOnce], volumeMode: Block, resources: {requests: {storage: 100Mi}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: growing}
spec: {accessModes: [ReadWriteOnce], storageClassName: loop-xfs, resources: {requests: {storage: 400Mi}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: plain}
spec: {accessModes: [ReadWriteOnce], storageClassName: no-snapshot, resources: {requests: {storage: 100Mi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: check}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: check
    image: localhost/busybox:1
    command: [sleep, "1000000"]
    volumeMounts:
    - {name: restored, mountPath: /restored}
    - {name: cloned, mountPath: /cloned}
    - {name: growing, mountPath: /growing}
    - {name: plain, mountPath: /plain}
    volumeDevices: [{name: raw, devicePath: /dev/raw}]
  volumes:
  - {name: restored, persistentVolumeClaim: {claimName: restored}}
  - {name: cloned, persistentVolumeClaim: {claimName: cloned}}
  - {name: growing, persistentVolumeClaim: {claimName: growing}}
  - {name: plain, persistentVolumeClaim: {claimName: plain}}
  - {name: raw, persistentVolumeClaim: {claimName: raw}}
YAML
k -n smoke wait --for=condition=Ready pod/check --timeout=60s
step "check them"
[ "$(k -n smoke exec check -- cat /restored/file)" = original ] || fail "restored content"
[ "$(k -n smoke exec check -- cat /cloned/file)" = changed ] || fail "cloned content"
[ "$(k -n smoke exec check -- df -m /restored | awk 'END{print ($2 > 300)}')" = 1 ] || fail "restored size"
k -n smoke exec check -- sh -c 'echo block > /dev/raw && head -c 5 /dev/raw' | grep -q block || fail "raw block"
step "grow in use"
k -n smoke patch pvc growing -p '{"spec":{"resources":{"requests":{"storage":"1Gi"}}}}'
for _ in $(seq 150); do size=$(k -n smoke exec check -- df -m /growing | awk 'END{print $2}'); [ "$size" -gt 800 ] && break; sleep 0.2; done
[ "$size" -gt 800 ] || fail "growth in use: $size MB"

step "kill the node, bring it back"
kill -9 "$(field process)"
"$dc" up --name "$name"
k -n smoke wait --for=condition=Ready pod/app pod/check --timeout=90s
[ "$(k -n smoke exec app -- cat /data/file)" = changed ] || fail "content after a kill"
[ "$(k -n smoke exec check -- cat /restored/file)" = original ] || fail "restored content after a kill"
"$dc" up --name "$name"

step "delete the namespace"
k delete namespace smoke --timeout=60s
for _ in $(seq 100); do [ -z "$(k get pv,volumesnapshotcontents -o name)" ] && break; sleep 0.2; done
[ -z "$(k get pv,volumesnapshotcontents -o name)" ] || fail "volumes or snapshots are left"

step "down"
process=$(field process); link=$(field link); cgroup=$(field cgroup)
space=$(readlink "/proc/$process/ns/pid")
pool=$(stat -c %i "$("$dc" kubeconfig --name "$name" | xargs dirname)/../pool.img")
"$dc" down --name "$name"
[ "$(settings)" = "$before" ] || fail "settings of the machine changed"
for p in /proc/[0-9]*; do
  [ "$(readlink "$p/ns/pid" 2>/dev/null)" = "$space" ] || continue
  # Process 1 may still wait for its parent to take its exit code.
  grep -q '^State:.Z' "$p/status" 2>/dev/null || fail "process ${p#/proc/} is left: $(tr '\0' ' ' <"$p/cmdline")"
done
losetup -n -O BACK-INO | grep -qx " *$pool" && fail "loop devices are left"
ip link show "$link" >/dev/null 2>&1 && fail "link $link is left"
ls -d /sys/fs/cgroup/*/"$cgroup" /sys/fs/cgroup/"$cgroup" >/dev/null 2>&1 && fail "control groups are left"
grep -q "/$name/" /proc/mounts && fail "mounts are left"
now=$(ls -d /var/lib/kubelet /var/lib/containerd /var/lib/cni /var/lib/etcd /var/log/pods /var/log/containers 2>/dev/null || true)
[ "$now" = "$folders" ] || fail "folders are left: $now"
"$dc" status | grep -q "^name=$name " && fail "the registry still knows the cluster"
echo "smoke: PASS"
