package scaffold

import (
	"fmt"
	"strings"
	"text/template"
	"text/template/parse"
)

// suffix marks the files of a template that are rendered; others are written as they are.
const suffix = ".tmpl"

// maxNested bounds ranges within each other, which multiply.
const maxNested = 2

// functions are those that a template may call beside and, or, not, eq, ne, len and index.
var functions = template.FuncMap{
	"an":    an,
	"env":   envName,
	"ident": ident,
	"title": title,
	"word":  func(name string) string { return strings.ToLower(title(name)) },
	"join":  func(sep string, list []string) string { return strings.Join(list, sep) },
}

// allowed are the functions of the language that cannot make much out of little.
var allowed = map[string]bool{"and": true, "or": true, "not": true, "eq": true, "ne": true, "len": true, "index": true}

// parseText reads one text of a template.
func parseText(name, text string) (*template.Template, error) {
	return template.New(name).Option("missingkey=error").Funcs(functions).Parse(text)
}

// checkText refuses a text that could run for long or grow without end: a range over anything but a list
// among the values, templates that call others, and functions that print.
func checkText(name, text string) error {
	t, err := parseText(name, text)
	if err != nil {
		return fmt.Errorf("read %w", err)
	}
	if len(t.Templates()) > 1 {
		return fmt.Errorf("read %s: define and block are not for templates", name)
	}
	if t.Tree == nil {
		return nil
	}
	if err := checkNode(t.Root, 0); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

func checkNode(n parse.Node, nested int) error {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, c := range n.Nodes {
			if err := checkNode(c, nested); err != nil {
				return err
			}
		}
		return nil
	case *parse.ActionNode:
		return checkPipe(n.Pipe)
	case *parse.IfNode:
		return checkBranch(&n.BranchNode, nested)
	case *parse.WithNode:
		return checkBranch(&n.BranchNode, nested)
	case *parse.RangeNode:
		return checkRange(n, nested)
	case *parse.TextNode, *parse.CommentNode, *parse.BreakNode, *parse.ContinueNode:
		return nil
	}
	return fmt.Errorf("%s is not for templates", n)
}

func checkBranch(b *parse.BranchNode, nested int) error {
	if err := checkPipe(b.Pipe); err != nil {
		return err
	}
	if err := checkNode(b.List, nested); err != nil {
		return err
	}
	return checkNode(b.ElseList, nested)
}

func checkRange(n *parse.RangeNode, nested int) error {
	if !list(n.Pipe) {
		return fmt.Errorf("range %s: range is for a list among the values, such as .Calls", n.Pipe)
	}
	if nested == maxNested {
		return fmt.Errorf("range %s: over %d ranges in each other", n.Pipe, maxNested)
	}
	return checkBranch(&n.BranchNode, nested+1)
}

// list reports a pipe that is one field of something, and so no number.
func list(p *parse.PipeNode) bool {
	if len(p.Cmds) != 1 || len(p.Cmds[0].Args) != 1 {
		return false
	}
	switch over := p.Cmds[0].Args[0].(type) {
	case *parse.FieldNode:
		return true
	case *parse.VariableNode:
		return len(over.Ident) > 1
	}
	return false
}

func checkPipe(p *parse.PipeNode) error {
	if p == nil {
		return nil
	}
	for _, cmd := range p.Cmds {
		for _, arg := range cmd.Args {
			switch arg := arg.(type) {
			case *parse.IdentifierNode:
				if functions[arg.Ident] == nil && !allowed[arg.Ident] {
					return fmt.Errorf("the function %s is not for templates", arg.Ident)
				}
			case *parse.PipeNode:
				if err := checkPipe(arg); err != nil {
					return err
				}
			case *parse.ChainNode:
				if p, ok := arg.Node.(*parse.PipeNode); ok {
					if err := checkPipe(p); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// condition makes a text of a file's `when`.
func condition(when string) string {
	if when == "" {
		return "yes"
	}
	return "{{if " + when + "}}yes{{end}}"
}
