#!/usr/bin/env bash
# Run star until it is done, wherever no scheduler queues it again:   scripts/clusters/again.sh name=demo rounds=5
# Exit code 75 says "run it again"; any other failure ends the loop.
set -u
while true; do
  star run "$@" &
  run=$!
  trap 'kill -TERM "$run"' TERM USR1
  wait "$run"
  code=$?
  while kill -0 "$run" 2>/dev/null; do wait "$run"; code=$?; done
  [ "$code" -eq 75 ] || exit "$code"
done
