#!/usr/bin/env bash
# A run as a job of a Ray cluster that is already up:   scripts/clusters/ray_job.sh http://HEAD:8265 name=demo
# The cluster's machines must have star installed and see STAR_HOME (a shared disk).
set -eu
address=$1
shift
ray job submit --address "$address" --no-wait -- \
  star run engine=ray engine.address=auto home="${STAR_HOME:?set it to a directory on the shared disk}" "$@"
