sources := $(notdir $(wildcard lib/ctl/*.c))
uses := base
