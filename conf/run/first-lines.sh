#!/usr/bin/env bash
# first-lines.sh URL PASSWORD_FILE: prints three lines to copy into a shell, one
# after the other: they log in, make a user, and make that user's key.
set -euo pipefail
url=$1 file=$2
cat <<TEXT
TOKEN=\$(curl -s --json "{\"username\":\"admin\",\"password\":\"\$(cat $file)\"}" $url/api/auth/login | sed -E 's/.*"access_token": ?"([^"]*)".*/\1/')
ID=\$(curl -s -H "Authorization: Bearer \$TOKEN" --json '{"username":"alice","email":"alice@example.org"}' $url/api/users | sed -E 's/.*"id": ?"?([^",}]*).*/\1/')
KEY=\$(curl -s -H "Authorization: Bearer \$TOKEN" --json '{"name":"first"}' $url/api/users/\$ID/keys | sed -E 's/.*"key": ?"([^"]*)".*/\1/'); echo "\$KEY"
TEXT
