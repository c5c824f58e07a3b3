sources := $(notdir $(wildcard lib/net/*.c))
uses := base
