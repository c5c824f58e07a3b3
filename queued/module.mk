sources := $(notdir $(wildcard queued/*.c))
uses := daemon spool smtp ctl
program := libexec/posthaste/queued
