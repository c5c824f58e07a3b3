sources := $(notdir $(wildcard master/*.c))
uses := auth command daemon conf dkim ipc net stats tls track
program := sbin/posthaste
