sources := $(notdir $(wildcard master/*.c))
uses := daemon conf dkim ipc net stats tls
program := sbin/posthaste
