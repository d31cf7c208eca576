# relais: relaisd on a Unix socket below the tools root, relais-sendmail
# RELAIS is the build folder. root empty: it runs without a chroot.
peer_relais() { local v=$1; shift; local D=$PEERS/relais B=${RELAIS:?the build folder}
  case $v in
  root)  ;;
  version) "$B/relaisd" --version ;;
  protos) echo smtp smtpkeep cmd ;;
  addr)  echo unix:/relais.sock ;;       # as smtp-source sees it inside $TOOLS
  cmd)   echo "$B/relais-sendmail" -f a@bench.test b@relay.test ;;
  env)   echo env RELAIS_SOCKET=$TOOLS/relais.sock ;;
  conf)  # hold: accepted, never relayed (the relay is disabled)
    mkdir -p $D; local port=$RPORT tls=none; case $1 in tls*) port=$TPORT tls=tls ;; esac
    case $1$TLSMODE in tls*starttls) tls=starttls ;; esac
    { printf 'hostname: bench.test\nqueue:\n  directory: %s\n' $D/queue
      printf 'receive:\n  socket: %s\ncontrol:\n  socket: %s\n' "$TOOLS/relais.sock" $D/control.sock
      printf 'relays:\n  sink:\n    host: 127.0.0.1\n    port: %s\n    security: %s\n    authentication: off\n' $port $tls
      [ $tls = none ] || printf '    tls: {verify: off}\n'
      printf '    limits: {connections: %s}\n    enabled: %s\n' ${CONNECTIONS:-50} $([ $1 = hold ] && echo off || echo on)
    } >$D/relais.yaml ;;
  start) "$B/relaisd" --config $D/relais.yaml & ;;
  ready) local i; for i in $(seq 100); do [ -S "$TOOLS/relais.sock" ] && return 0; sleep 0.05; done; return 1 ;;
  stop)  ;;                               # the script ends every process of the peer's group itself
  clean) rm -rf $D/queue "$TOOLS/relais.sock" ;;
  count) RELAIS_CONTROL_SOCKET=$D/control.sock "$B/relaisctl" status --json | python3 -c 'import json,sys; m=json.load(sys.stdin)["messages"]; print(m["queued"])' ;;
  list)  RELAIS_CONTROL_SOCKET=$D/control.sock "$B/relaisctl" list --state queued --limit 1000000 ;;
  spool) echo $D/queue ;;
  kick)  echo no ;;
  drain) ;;
  esac; }
