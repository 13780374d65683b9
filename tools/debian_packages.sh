#!/usr/bin/env bash
# Installs the Debian packages that the tests drive: a browser, a real mail sink, an SFTP server, a second PostgreSQL.
# Not root: lists what is missing and fails, because a silent skip would prove nothing.
set -euo pipefail

declare -A wanted=([chromium]=chromium [faketime]=faketime [smtp-sink]=postfix [openssl]=openssl [sshd]=openssh-server [wrk]=wrk)
missing=()
for command in "${!wanted[@]}"; do
    PATH="$PATH:/usr/sbin" command -v "$command" >/dev/null || missing+=("${wanted[$command]}")
done
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing+=(postgresql)
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "These Debian packages are needed for the tests and cannot be installed without root: ${missing[*]}" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
echo "Installing ${missing[*]} ..."
# postfix asks questions and starts itself; we only want its smtp-sink.
echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections
apt-get -qq update
apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
