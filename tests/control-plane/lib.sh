# What `up` is made of: keys, kubeconfigs, and starting servers on free ports. Sourced with $dir the working directory.
# shellcheck shell=bash disable=SC2034

# until_true SECONDS COMMAND...
until_true() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.1
  done
}

alive() { kill -0 "$(cat "$1.pid")" 2>/dev/null; }

# A port below the range that outgoing connections use. Should another program take it first, `start` tries again.
free_port() {
  local p
  while p=$((20000 + (RANDOM * 32768 + RANDOM) % 12000)); (: <"/dev/tcp/127.0.0.1/$p") 2>/dev/null; do :; done
  echo "$p"
}

# launch NAME COMMAND...: runs the command. Output goes to NAME.log; the process is its own session, so that the terminal's Ctrl-C does not
# reach it.
launch() {
  local name=$1
  shift
  setsid "$@" </dev/null >"$name.log" 2>&1 &
  echo $! >"$name.pid"
}

# start NAME READY COMMAND...: launches the command, @port@ in it standing for a free port, until READY (shell text) is true. Sets port.
start() {
  local name=$1 ready=$2
  failed="starting $name" log=$name.log
  shift 2
  for _ in 1 2 3 4 5; do
    port=$(free_port)
    printf '%s\0' "${@//@port@/$port}" >"$name.cmd"
    launch "$name" "${@//@port@/$port}"
    if until_true 60 eval "$ready || ! alive $name" && alive "$name"; then return; fi
    grep -q 'address already in use' "$name.log" || break
  done
  return 1
}

# kubeconfig FILE PORT: cluster admin at that port
kubeconfig() {
  cat >"$1" <<YAML
apiVersion: v1
kind: Config
clusters: [{name: control-plane, cluster: {server: "https://127.0.0.1:$2", certificate-authority-data: $(base64 -w 0 <pki/ca.crt)}}]
users: [{name: admin, user: {token: $(cut -d, -f1 pki/tokens.csv)}}]
contexts: [{name: control-plane, context: {cluster: control-plane, user: admin, namespace: default}}]
current-context: control-plane
YAML
}

# openssl, quiet unless it fails
ssl() {
  openssl "$@" 2>pki/openssl.log || { cat pki/openssl.log >&2; return 1; }
}

# authority NAME, certificate NAME AUTHORITY EXTENSION
authority() {
  ssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "pki/$1.key" -out "pki/$1.crt" -subj "/CN=$1" -days 365
}
certificate() {
  ssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "pki/$1.key" -out "pki/$1.csr" -subj "/CN=$1"
  echo "$3" >"pki/$1.ext"
  ssl x509 -req -in "pki/$1.csr" -CA "pki/$2.crt" -CAkey "pki/$2.key" -CAcreateserial -days 365 -extfile "pki/$1.ext" -out "pki/$1.crt"
}

# All keys: one authority for the servers' certificate, one for the front's word on who is asking, one key for ServiceAccounts,
# and the administrator's token.
keys() {
  mkdir pki
  authority servers
  certificate server servers 'subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:crd-server.kube-system.svc'
  cp pki/servers.crt pki/ca.crt
  authority front-proxy-ca
  certificate front-proxy front-proxy-ca 'extendedKeyUsage=clientAuth'
  ssl genrsa -out pki/service-accounts.key 2048
  echo "$(openssl rand -hex 16),admin,admin,system:masters" >pki/tokens.csv
}
