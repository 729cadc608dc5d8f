package sigv4

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// secretName matches what values are called that an attacker would like to guess byte
// by byte: hmac.Equal and crypto/subtle compare those, which take no longer for a
// better guess.
var secretName = regexp.MustCompile(`(?i)secret|signature|password|hmac|^mac$|totp|^mfa`)

// compares are functions whose time tells how much of two values is the same.
var compares = []string{"bytes.Equal", "bytes.Compare", "bytes.HasPrefix", "strings.EqualFold", "strings.Compare", "strings.HasPrefix", "slices.Equal", "reflect.DeepEqual"}

// own are comparisons, by file and text, in which nobody guesses.
var own = map[string]string{
	"svc/iam/password_policy.go: password == account": "a new password, held against the name of its own account",
}

// TestConstantTime walks the code that handles secrets for comparisons of them.
func TestConstantTime(t *testing.T) {
	root, seen := filepath.Join("..", ".."), 0
	for _, dir := range []string{"wire/sigv4", "front", "seal", "svc/iam", "svc/sts", "cmd/tule"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(name string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return err
			}
			seen++
			rel, err := filepath.Rel(root, name)
			if err != nil {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if text := leak(n); text != "" && own[filepath.ToSlash(rel)+": "+text] == "" {
					t.Errorf("%s: %s takes longer for a better guess; use hmac.Equal or crypto/subtle", rel, text)
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen < 60 {
		t.Errorf("only %d files were looked at", seen)
	}
}

// leak is the text of a comparison that should take constant time and does not, or "".
func leak(n ast.Node) string {
	var operands []ast.Expr
	text := ""
	switch n := n.(type) {
	case *ast.BinaryExpr:
		if n.Op != token.EQL && n.Op != token.NEQ {
			return ""
		}
		operands, text = []ast.Expr{n.X, n.Y}, show(n.X)+" "+n.Op.String()+" "+show(n.Y)
	case *ast.CallExpr:
		if !slices.Contains(compares, show(n.Fun)) {
			return ""
		}
		operands, text = n.Args, show(n)
	}
	if !slices.ContainsFunc(operands, isSecret) || slices.ContainsFunc(operands, isPlain) {
		return ""
	}
	return text
}

// isSecret reports whether an expression ends in a name of a secret.
func isSecret(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.Ident:
		return secretName.MatchString(x.Name)
	case *ast.SelectorExpr:
		return secretName.MatchString(x.Sel.Name)
	case *ast.CallExpr:
		return slices.ContainsFunc(append(slices.Clone(x.Args), x.Fun), isSecret) && show(x.Fun) != "len"
	case *ast.IndexExpr:
		return isSecret(x.X)
	case *ast.StarExpr:
		return isSecret(x.X)
	case *ast.ParenExpr:
		return isSecret(x.X)
	case *ast.SliceExpr:
		return isSecret(x.X)
	}
	return false
}

// isPlain reports whether an operand says nothing of a secret: nil, "", a number, a
// constant of the text, a length.
func isPlain(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.BasicLit:
		return true
	case *ast.Ident:
		return x.Name == "nil" || x.Name == "true" || x.Name == "false"
	case *ast.UnaryExpr:
		return isPlain(x.X)
	case *ast.CallExpr:
		return show(x.Fun) == "len"
	}
	return false
}

// show is an expression in short.
func show(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.BasicLit:
		return x.Value
	case *ast.SelectorExpr:
		return show(x.X) + "." + x.Sel.Name
	case *ast.CallExpr:
		args := make([]string, len(x.Args))
		for i, a := range x.Args {
			args[i] = show(a)
		}
		return show(x.Fun) + "(" + strings.Join(args, ", ") + ")"
	case *ast.ParenExpr:
		return show(x.X)
	case *ast.StarExpr:
		return "*" + show(x.X)
	case *ast.UnaryExpr:
		return x.Op.String() + show(x.X)
	case *ast.IndexExpr:
		return show(x.X) + "[" + show(x.Index) + "]"
	case *ast.SliceExpr:
		return show(x.X) + "[:]"
	}
	return "…"
}

// The walk finds what it should.
func TestConstantTimeFinds(t *testing.T) {
	for text, want := range map[string]bool{
		`signature == want`:                          true,
		`*in.SecretAccessKey != k.Secret`:            true,
		`string(mac) == sent`:                        true,
		`bytes.Equal(sum, s.Signature)`:              true,
		`strings.EqualFold(s.Signature, x)`:          true,
		`strings.HasPrefix(secret, guess)`:           true,
		`secret[i] == c`:                             true,
		`s.Signature == ""`:                          false,
		`secret != nil`:                              false,
		`len(secret) == n`:                           false,
		`hmac.Equal(signature, want)`:                false,
		`name == other`:                              false,
		`subtle.ConstantTimeCompare(secret, b) == 1`: false,
	} {
		x, err := parser.ParseExpr(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := leak(x) != ""; got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}
