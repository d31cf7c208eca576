# Turns data/*.yaml (`- id: word`, then `key: value`, one a line, values plain
# or in single quotes) into rows of a C array.
#
#   awk -v header=providers.h -v type=provider -v name=providers \
#       -v numbers="port idle_s" -f table.awk providers.yaml

function fail(text)
{
	print FILENAME ":" FNR ": " text > "/dev/stderr"
	has_failed = 1
	exit 1
}

# Character by character, since awks differ on backslashes in gsub().
function quote(value,    out, i, c)
{
	if (value ~ /^'.*'$/ && length(value) > 1) {
		value = substr(value, 2, length(value) - 2)
		gsub(/''/, "'", value)
	} else if (value ~ /^['"]/ || value ~ /: | #/) {
		fail("expected a plain value, or one in single quotes")
	}
	out = ""
	for (i = 1; i <= length(value); i++) {
		c = substr(value, i, 1)
		if (c == "\\" || c == "\"")
			out = out "\\"
		else if (c == "?" && substr(value, i + 1, 1) == "?")
			c = "?\"\"" # no trigraphs
		out = out c
	}
	return "\"" out "\""
}

BEGIN {
	count = split(numbers, words, " ")
	for (i = 1; i <= count; i++)
		is_number[words[i]] = 1
	print "/* Made from " name ".yaml; change that instead. */"
	print "#include \"config.h\""
	print ""
	print "#include \"" header "\""
	print ""
	print "const struct " type " " name "_table[] = {"
}

/^ *#/ || /^ *$/ || /^[a-z]+:$/ { next }

/^- id: [a-z0-9-]+$/ {
	if ($3 in seen)
		fail($3 " is there twice")
	seen[$3] = 1
	if (rows++)
		print "\t},"
	print "\t{"
	print "\t\t.id = \"" $3 "\","
	next
}

rows && /^  [a-z_]+: ./ {
	key = $1
	sub(/:$/, "", key)
	value = $0
	sub(/^  [a-z_]+: /, "", value)
	if (key == "source") # for the reader of the file
		next
	if (value == "true" || value == "false" || key in is_number) {
		if (value !~ /^(true|false|[0-9]+)$/)
			fail(key " is no number")
		print "\t\t." key " = " value ","
	} else {
		print "\t\t." key " ="
		print "\t\t    " quote(value) ","
	}
	next
}

{ fail("expected `- id: word` or `  key: value`") }

END {
	if (has_failed)
		exit 1
	print "\t},"
	print "};"
	print ""
	print "const size_t " name "_table_size = " rows ";"
}
