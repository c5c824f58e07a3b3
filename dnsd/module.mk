sources := $(notdir $(wildcard dnsd/*.c))
uses := daemon
program := libexec/posthaste/dnsd
