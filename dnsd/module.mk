sources := $(notdir $(wildcard dnsd/*.c))
uses := daemon conf net ipc ev stats base
program := libexec/posthaste/dnsd
