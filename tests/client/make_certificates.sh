#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# make_certificates.sh FOLDER: an authority (ca.crt), a certificate of it for servers and clients on
# this machine (node.crt, node.key), and an authority that nobody trusts (other.crt).
set -eu
cd "$1"
new_key="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
# shellcheck disable=SC2086
{
    openssl req -x509 $new_key -keyout ca.key -out ca.crt -subj "/CN=test authority"
    openssl req -x509 $new_key -keyout other.key -out other.crt -subj "/CN=other authority"
    openssl req $new_key -keyout node.key -out node.csr -subj "/CN=localhost"
    openssl x509 -req -in node.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out node.crt
} 2>/dev/null
