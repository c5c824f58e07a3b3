sources := build.c classify.c lint.c normalise.c categories.c categories_lint.c rules.c builtin.c language.c language_parse.c
sources += language_set.c language_words.c finder.c
uses := base

$(B)/obj/lib/classify/builtin.o: $(B)/gen/bounce_rules.inc
$(B)/gen/bounce_rules.inc: conf/bounce/rules
	@mkdir -p $(@D)
	$(call say,GEN)
	$(Q)sed 's/[\\"]/\\&/g; s/^/"/; s/$$/\\n"/' $< >$@
