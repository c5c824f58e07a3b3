#!/bin/sh
# Makes the group and the users that the daemons run as. Without root it says so and leaves: then all daemons run
# as the calling user.
set -eu

if [ "$(id -u)" != 0 ]; then
	exit 0
fi
# members of pmta use pmtactl; who is in pmta-read as well only looks, who is in pmta-admin may do everything
for group in pmta pmta-read pmta-admin; do
	getent group "$group" >/dev/null || groupadd --system "$group"
done
for user in inject queue dns deliver bounce acct sign fbl web; do
	getent passwd "pmta-$user" >/dev/null ||
	    useradd --system --gid pmta --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin \
	    "pmta-$user" 2>/dev/null
done
# what commands and posts run as: in no group of ours, so that none of them reaches the spool
for user in exec hook; do
	getent group "pmta-$user" >/dev/null || groupadd --system "pmta-$user"
	getent passwd "pmta-$user" >/dev/null ||
	    useradd --system --gid "pmta-$user" --home-dir /nonexistent --no-create-home \
	    --shell /usr/sbin/nologin "pmta-$user" 2>/dev/null
done
