# posthaste.conf(5) is written by a program that has the table of directives
sources := conf_manual.c
uses := base net conf
program := gen/conf-manual

all: $(B)/man/posthaste.conf.5
$(B)/man/posthaste.conf.5: $(B)/gen/conf-manual
	@mkdir -p $(@D)
	$< >$@.new && mv $@.new $@
