sources := $(notdir $(wildcard lib/dkim/*.c))
uses := conf mail smtp
