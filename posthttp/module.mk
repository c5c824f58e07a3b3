sources := $(notdir $(wildcard posthttp/*.c))
uses := acct command mail net sts
program := libexec/posthaste/posthttp
