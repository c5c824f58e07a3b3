sources := $(notdir $(wildcard posthttp/*.c))
uses := acct command mail
program := libexec/posthaste/posthttp
