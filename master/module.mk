sources := $(notdir $(wildcard master/*.c))
uses := daemon conf ipc net stats tls
program := sbin/posthaste
