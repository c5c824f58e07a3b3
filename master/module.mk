sources := $(notdir $(wildcard master/*.c))
uses := daemon conf dkim ipc net stats tls track
program := sbin/posthaste
