sources := $(notdir $(wildcard deliverd/*.c))
uses := daemon dkim spool smtp mail tls track
program := libexec/posthaste/deliverd
