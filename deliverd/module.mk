sources := $(notdir $(wildcard deliverd/*.c))
uses := daemon dkim spool smtp mail tls
program := libexec/posthaste/deliverd
