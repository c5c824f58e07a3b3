sources := $(notdir $(wildcard lib/conf/*.c))
uses := base net classify acct
