sources := $(notdir $(wildcard deliverd/*.c))
uses := command daemon dkim spool smtp mail tls track
program := libexec/posthaste/deliverd
