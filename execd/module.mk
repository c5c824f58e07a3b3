sources := $(notdir $(wildcard execd/*.c))
uses := command daemon
program := libexec/posthaste/execd
