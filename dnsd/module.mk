sources := $(notdir $(wildcard dnsd/*.c))
uses := daemon conf spf net ipc ev stats base
program := libexec/posthaste/dnsd
