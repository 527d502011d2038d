package sniff

import "strings"

// subject returns what a statement does and to which table, from its words.
func subject(words []string) (op, table string) {
	for len(words) > 0 && (words[0] == "(" || words[0] == ";") {
		words = words[1:]
	}
	if len(words) == 0 {
		return "EMPTY", ""
	}
	op = keyword(words[0])
	if op == "WITH" {
		words = main(words)
		op = keyword(words[0])
	}
	switch op {
	case "SELECT":
		return op, from(words)
	case "INSERT", "REPLACE", "MERGE", "DELETE", "UPDATE", "TRUNCATE", "COPY", "LOCK", "ANALYZE", "VACUUM", "REINDEX", "CALL":
		return op, target(words[1:])
	case "TABLE":
		return "SELECT", target(words[1:])
	case "CREATE", "ALTER", "DROP":
		return define(op, words[1:])
	case "EXPLAIN":
		return op, ""
	case "START":
		return "BEGIN", ""
	case "END":
		return "COMMIT", ""
	case "ABORT":
		return "ROLLBACK", ""
	case "LISTEN", "UNLISTEN", "NOTIFY":
		return op, target(words[1:])
	}
	if known[op] {
		return op, ""
	}
	return "SQL", ""
}

// known are the other statements whose name is told.
var known = map[string]bool{
	"BEGIN": true, "COMMIT": true, "ROLLBACK": true, "SAVEPOINT": true, "RELEASE": true, "SET": true, "RESET": true,
	"SHOW": true, "USE": true, "VALUES": true, "WITH": true, "DECLARE": true, "FETCH": true, "CLOSE": true, "MOVE": true,
	"PREPARE": true, "EXECUTE": true, "DEALLOCATE": true, "DISCARD": true, "DO": true, "GRANT": true, "REVOKE": true,
	"COMMENT": true, "CLUSTER": true, "CHECKPOINT": true, "REFRESH": true, "REASSIGN": true, "SECURITY": true,
	"IMPORT": true, "LOAD": true, "DESCRIBE": true, "DESC": true, "KILL": true, "FLUSH": true, "OPTIMIZE": true,
	"XA": true, "UNLOCK": true, "HANDLER": true, "CHANGE": true, "RENAME": true, "CHECK": true,
}

// keyword returns a word as a keyword: "" for a quoted name.
func keyword(w string) string {
	if strings.HasPrefix(w, "\x00") {
		return ""
	}
	return strings.ToUpper(w)
}

// main returns the words from the statement that follows the common table expressions of a WITH.
func main(words []string) []string {
	depth := 0
	for i, w := range words {
		switch keyword(w) {
		case "(":
			depth++
		case ")":
			depth--
		case "SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES", "TABLE":
			if depth == 0 {
				return words[i:]
			}
		}
	}
	return words
}

// from returns the first table of a SELECT: that of its own FROM, or of the first one in it.
func from(words []string) string {
	depth := 0
	for i, w := range words {
		switch keyword(w) {
		case "(":
			depth++
		case ")":
			depth--
		case "FROM":
			if depth != 0 {
				continue
			}
			rest := words[i+1:]
			for len(rest) > 0 && rest[0] == "(" {
				rest = rest[1:]
			}
			if len(rest) > 0 && keyword(rest[0]) == "SELECT" {
				return from(rest)
			}
			return target(rest)
		}
	}
	return ""
}

// target returns the table that the first words name, with its schema.
func target(words []string) string {
	for len(words) > 0 {
		switch keyword(words[0]) {
		case "INTO", "FROM", "ONLY", "TABLE", "LATERAL", "CONCURRENTLY", "IF", "NOT", "EXISTS", "IGNORE", "LOW_PRIORITY",
			"QUICK", "DELAYED", "VERBOSE", "FULL", "FREEZE", "ANALYZE":
			words = words[1:]
			continue
		}
		break
	}
	if len(words) == 0 || !tableName(words[0]) {
		return ""
	}
	table := strings.TrimPrefix(words[0], "\x00")
	for len(words) > 2 && words[1] == "." && tableName(words[2]) && len(table) < maxTable {
		words = words[2:]
		table += "." + strings.TrimPrefix(words[0], "\x00")
	}
	return table
}

func tableName(w string) bool {
	if strings.HasPrefix(w, "\x00") {
		return len(w) > 1
	}
	return nameByte(w[0])
}

// define names a statement that changes the schema: "CREATE TABLE", "orders".
func define(op string, words []string) (string, string) {
	for i, w := range words {
		switch kind := keyword(w); kind {
		case "TABLE", "INDEX", "VIEW", "SEQUENCE", "SCHEMA", "DATABASE", "FUNCTION", "PROCEDURE", "TRIGGER", "TYPE", "EXTENSION",
			"DOMAIN", "POLICY", "PUBLICATION", "SUBSCRIPTION", "AGGREGATE", "EVENT":
			return op + " " + kind, target(words[i+1:])
		case "ROLE", "USER":
			return op + " " + kind, ""
		}
		if i > 6 {
			break
		}
	}
	return op, ""
}
