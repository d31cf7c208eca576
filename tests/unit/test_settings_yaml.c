/*
 * test_settings_yaml - the strict part of YAML
 */
#include "config.h"

#include "settings_yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void must_refuse_bytes(const char *bytes, size_t len,
                              const char *expected)
{
	struct settings_errors errors = { 0 };
	struct settings_node *root = NULL;
	size_t i;

	/* What is only decoration is reported, and reading goes on. */
	if (settings_yaml_parse(&root, "f", bytes, len, &errors) == 0)
		settings_node_free(root);
	assert_true(errors.error_count > 0);
	for (i = 0; i < errors.count; i++)
		if (strcmp(errors.entries[i].text, expected) == 0)
			break;
	if (i == errors.count)
		assert_string_equal(errors.entries[0].text, expected);
	settings_errors_done(&errors);
}

static void must_refuse(const char *text, const char *expected)
{
	must_refuse_bytes(text, strlen(text), expected);
}

static void builds_a_tree_with_places(void **state)
{
	static const char text[] = "a: 1\nb:\n  - x\n  - {c: \"no\", d: }\n";
	struct settings_errors errors = { 0 };
	const struct settings_node *b, *c;
	struct settings_node *root;

	(void)state;
	assert_int_equal(
	    settings_yaml_parse(&root, "f", text, strlen(text), &errors), 0);
	assert_int_equal(root->child_count, 2);
	assert_string_equal(settings_node_find(root, "a")->text, "1");
	b = settings_node_find(root, "b");
	assert_int_equal(b->kind, SETTINGS_NODE_SEQUENCE);
	assert_int_equal(b->child_count, 2);
	assert_int_equal(b->key_place.line, 2);
	assert_int_equal(b->first->place.line, 3);
	assert_int_equal(b->first->place.column, 5);
	c = settings_node_find(b->first->next, "c");
	assert_true(c->is_quoted);
	assert_null(settings_node_find(b->first->next, "d"));
	assert_null(settings_node_find(b, "a"));
	assert_int_equal(errors.count, 0);
	settings_node_free(root);
}

static void takes_an_empty_file(void **state)
{
	static const char *const texts[] = { "", "# only this\n", "---\n",
		                             "\n\n" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct settings_errors errors = { 0 };
		struct settings_node *root;

		assert_int_equal(settings_yaml_parse(&root, "f", texts[i],
		                                     strlen(texts[i]), &errors),
		                 0);
		assert_int_equal(root->kind, SETTINGS_NODE_MAPPING);
		assert_int_equal(root->child_count, 0);
		settings_node_free(root);
	}
}

static void refuses_what_hides_its_meaning(void **state)
{
	(void)state;
	must_refuse("a: &x 1\n", "f:1:4: anchors (`&name`) are not supported; "
	                         "quote the value if it starts with `&`");
	must_refuse(
	    "a: 1\nb: *@example.com\n",
	    "f:2:5: is no valid YAML: did not find expected alphabetic or "
	    "numeric character, while scanning an alias; quote values that "
	    "start with `*`, `@` or the like");
	must_refuse(
	    "a: &x {b: *x}\n",
	    "f:1:11: aliases (`*name`) are not supported; quote the value if "
	    "it starts with `*`");
	must_refuse("a: !!str 1\n", "f:1:4: tags (`!name`) are not supported; "
	                            "quote the value if it starts with `!`");
	must_refuse("<<: {a: 1}\n",
	            "f:1:1: merge keys (`<<`) are not supported");
	must_refuse(
	    "a: 1\n---\nb: 2\n",
	    "f:2:1: a second document (`---`) starts here; expected only one");
	must_refuse("? [a]\n: 1\n",
	            "f:1:3: this key is a list or a map; expected a word");
	must_refuse("a: 1\nb: 2\na: 3\n",
	            "f:3:1: a: is given twice; the first is in line 1");
	must_refuse("a: \"x\\0y\"\n", "f:1:4: contains a NUL character");
	must_refuse("- a\n", "f:1:1: settings are lines of the form "
	                     "`key: value`");
	must_refuse("text", "f:1:1: settings are lines of the form "
	                    "`key: value`");
}

static void reports_several_errors_of_one_file(void **state)
{
	static const char text[] = "a: &x 1\na: 2\nb: !t 3\n";
	struct settings_errors errors = { 0 };
	struct settings_node *root = NULL;

	(void)state;
	assert_int_equal(
	    settings_yaml_parse(&root, "f", text, strlen(text), &errors), 0);
	assert_int_equal(errors.error_count, 3);
	settings_errors_done(&errors);
	settings_node_free(root);
}

static void places_broken_syntax_and_bytes(void **state)
{
	(void)state;
	must_refuse(
	    "a: 1\nb: [1\n",
	    "f:3:1: is no valid YAML: did not find expected ',' or ']', while "
	    "parsing a flow sequence");
	must_refuse(
	    "a: 1\nbb: \xff\n",
	    "f:2:5: is not readable: invalid leading UTF-8 octet; expected "
	    "text in UTF-8");
	must_refuse_bytes(
	    "a: \0\n", 5,
	    "f:1:4: is not readable: control characters are not allowed; "
	    "expected text in UTF-8");
}

static void stops_at_depth_and_size(void **state)
{
	static char text[SETTINGS_YAML_SIZE_MAX + 1];

	(void)state;
	memset(text, '[', sizeof(text));
	memcpy(text, "a: ", 3);
	must_refuse_bytes(text, 100000,
	                  "f:1:19: is nested more than 16 levels deep");
	must_refuse_bytes(text, sizeof(text), "f: is larger than 256 KiB");
}

static void keeps_the_list_of_errors_readable(void **state)
{
	struct settings_errors errors = { 0 };
	int i;

	(void)state;
	for (i = 0; i < 1000; i++)
		settings_errors_add(&errors, NULL, "error %d", i);
	assert_int_equal(errors.error_count, 1000);
	assert_int_equal(errors.count, 101);
	assert_string_equal(errors.entries[100].text, "and more like these");
	settings_errors_done(&errors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(builds_a_tree_with_places),
		cmocka_unit_test(takes_an_empty_file),
		cmocka_unit_test(refuses_what_hides_its_meaning),
		cmocka_unit_test(reports_several_errors_of_one_file),
		cmocka_unit_test(places_broken_syntax_and_bytes),
		cmocka_unit_test(stops_at_depth_and_size),
		cmocka_unit_test(keeps_the_list_of_errors_readable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
