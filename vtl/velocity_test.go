package vtl_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tule-cloud/tule/vtl"
	"github.com/tule-cloud/tule/vtl/value"
)

// velocityJava renders templates by Apache Velocity: one a line, in base64; so is the
// answer, behind ! where it is an error.
const velocityJava = `
import java.io.*;
import java.util.*;
import org.apache.velocity.VelocityContext;
import org.apache.velocity.app.VelocityEngine;

public class Render {
    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        PrintStream out = new PrintStream(System.out, true, "UTF-8");
        for (String line; (line = in.readLine()) != null; ) {
            VelocityEngine engine = new VelocityEngine();
            engine.setProperty("runtime.log.logsystem.class", "org.apache.velocity.runtime.log.NullLogChute");
            engine.init();
            Map<String, Object> map = new LinkedHashMap<String, Object>();
            map.put("a", 1);
            map.put("b", "two");
            VelocityContext c = new VelocityContext();
            c.put("s", "Hello");
            c.put("i", 7);
            c.put("t", true);
            c.put("f", false);
            c.put("e", "");
            c.put("map", map);
            c.put("list", new ArrayList<Object>(Arrays.asList("a", "b", 3)));
            StringWriter w = new StringWriter();
            String mark = "";
            try {
                engine.evaluate(c, w, "t", new String(Base64.getDecoder().decode(line), "UTF-8"));
            } catch (Throwable e) {
                mark = "!";
                w = new StringWriter();
                w.write(String.valueOf(e));
            }
            out.println(mark + Base64.getEncoder().encodeToString(w.toString().getBytes("UTF-8")));
        }
    }
}`

func velocityVars() vtl.Vars {
	m := value.NewMap(2)
	m.Put("a", int32(1))
	m.Put("b", "two")
	return vtl.Vars{"s": "Hello", "i": 7, "t": true, "f": false, "e": "", "map": m, "list": value.NewList(value.ArrayList, "a", "b", int32(3))}
}

// apache is Velocity itself, which setup/clients fetches.
func apache(t *testing.T) func(template string) (out string, failed bool) {
	jars, _ := filepath.Abs("../.cache/velocity/1.7")
	if _, err := os.Stat(jars); err != nil {
		t.Skip("Apache Velocity was not fetched: run setup/clients where Maven is")
	}
	dir := t.TempDir()
	path := jars + "/*:" + dir
	if err := os.WriteFile(filepath.Join(dir, "Render.java"), []byte(velocityJava), 0o644); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.Command("javac", "-nowarn", "-cp", path, "-d", dir, filepath.Join(dir, "Render.java")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	c := exec.Command("java", "-cp", path, "Render")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	pipe, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); _ = c.Wait() })
	answers := bufio.NewReaderSize(pipe, 1<<20)
	return func(template string) (string, bool) {
		fmt.Fprintln(in, base64.StdEncoding.EncodeToString([]byte(template)))
		line, err := answers.ReadString('\n')
		if err != nil {
			t.Fatalf("Velocity ended on %q: %v", template, err)
		}
		text, failed := strings.CutPrefix(strings.TrimSpace(line), "!")
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return string(b), failed
	}
}

// Generated templates render as they do by Apache Velocity 1.7, which is what API Gateway
// runs, or fail as they do there. TULE_TEMPLATES is how many.
func TestAgainstVelocity(t *testing.T) {
	theirs, want := apache(t), 300
	if n, err := strconv.Atoi(os.Getenv("TULE_TEMPLATES")); err == nil {
		want = n
	}
	g, wrong, failures := &writer{Rand: rand.New(rand.NewPCG(7, 7))}, 0, 0
	for range want {
		g.macros = 0
		template := g.block(4)
		out, failed := theirs(template)
		ours, err := render(template, velocityVars(), vtl.Limits{})
		if failed {
			failures++
		}
		if failed != (err != nil) || !failed && out != ours {
			t.Errorf("%q\nrenders as\n%q, %v, and by Velocity as\n%q, failed: %v", template, ours, err, out, failed)
			if wrong++; wrong > 10 {
				t.Fatal("and more")
			}
		}
	}
	t.Logf("%d templates, of which Velocity refused %d", want, failures)
	if failures > want/2 {
		t.Error("most templates are none")
	}
}

// A writer writes templates by chance: none with what differs on purpose (see the package's
// word), such as a map that grows in a loop over it, none that prints a Java address, and
// no bracket in the text, which 1.7 refuses in some places where it takes other text.
type writer struct {
	*rand.Rand
	macros int
}

func (g *writer) of(all ...string) string { return all[g.IntN(len(all))] }

func (g *writer) block(depth int) string {
	var b strings.Builder
	for range 1 + g.IntN(4) {
		b.WriteString(g.piece(depth))
	}
	return b.String()
}

func (g *writer) piece(depth int) string {
	if depth == 0 || g.IntN(3) == 0 {
		return g.of("text", " ", "\n", "  \n", ", ", "\"", "'", "}", "1", ".", ": ", g.reference(), g.reference(), g.reference(), " ## note\n", "#* note *#", "#[[ $s #if ]]#", "\\$s", "\\\\$s ", "\\$nothing ")
	}
	switch g.IntN(7) {
	case 0:
		return "#set(" + g.of("$v", "$w", "$s", "$map.a") + " = " + g.expr(depth-1) + ")" + g.of("", "\n", " ", "x")
	case 1:
		return "#if(" + g.cond(depth-1) + ")" + g.of("", "\n", " ") + g.block(depth-1) + g.of("", "#else "+g.block(depth-1), "#elseif("+g.cond(depth-1)+")"+g.block(depth-1)) + "#end" + g.of("", "\n")
	case 2:
		return "#foreach($x in " + g.of("$list", "[1..3]", "[3..1]", "$map.keySet()", "$map.values()", "$map", "['p', $s, 2]", "$nothing", "[1..$i]") + ")" +
			g.of("$x", "$velocityCount", "$foreach.count", "$foreach.index", "$foreach.hasNext", "#if($foreach.hasNext), #end", "#if($velocityCount > 2)#break#end") + " " + g.block(depth-1) + "#end" + g.of("", "\n")
	case 3:
		g.macros++
		name := fmt.Sprintf("m%d", g.macros)
		return "#macro(" + name + " $p $q)<$p|$!q>" + g.block(depth-1) + "#end" + g.of("", "\n") + "#" + name + "(" + g.simple() + " " + g.simple() + ")" + g.of("", "\n", " ")
	case 4:
		return "#define($d)" + g.block(depth-1) + "#end" + g.of("$d", "$!d ", "${d}")
	case 5:
		return "#evaluate(\"" + g.of("$s", "#set($v = 2)$v", "text", "#if($t)yes#end") + "\")"
	}
	return g.reference() + g.of("", " ", "\n", ".", ",", "-")
}

func (g *writer) reference() string {
	name := g.of("s", "i", "t", "f", "e", "v", "w", "nothing", "map", "list")
	rest := ""
	switch name {
	case "s", "v":
		rest = g.of("", "", ".length()", ".substring(1)", ".substring(1, 3)", ".toUpperCase()", ".replace('l', 'L')", ".indexOf('l')", ".nothing", ".charAt(0)", ".split('l').size()", ".isEmpty()", ".equals('Hello')", ".contains('ell')", ".trim()", ".concat($i)")
	case "map":
		rest = g.of("", ".a", ".b", ".get('b')", ".size()", ".nothing", ".containsKey('a')", ".keySet()", ".isEmpty()", ".c.d", "['a']", ".entrySet()", ".remove('zz')")
	case "list":
		rest = g.of("", "[0]", ".get(1)", ".size()", ".isEmpty()", ".contains('a')", ".indexOf('b')", "[9]", ".get(-1)", ".nothing()", ".subList(0, 2)", ".toString()")
	case "i":
		rest = g.of("", "", ".toString()", ".intValue()", ".nothing", ".equals(7)", ".hashCode()")
	}
	switch g.IntN(4) {
	case 0:
		return "${" + name + rest + "}"
	case 1:
		return "$!" + name + rest + " "
	case 2:
		return "$!{" + name + rest + "}"
	}
	return "$" + name + rest + " "
}

func (g *writer) simple() string {
	return g.of("$s", "$i", "$list", "7", "'one'", "\"two $s\"", "$nothing", "true", "[1, 2]", "$map.b", "-3", "2.5")
}

func (g *writer) expr(depth int) string {
	if depth <= 0 || g.IntN(2) == 0 {
		return g.simple()
	}
	switch g.IntN(6) {
	case 0:
		return "(" + g.expr(depth-1) + ")"
	case 1:
		return "[" + g.expr(depth-1) + ", " + g.simple() + "]"
	case 2:
		return "{'k': " + g.simple() + ", \"l\": " + g.simple() + "}"
	case 3:
		return g.cond(depth - 1)
	}
	return g.number() + g.of(" + ", " - ", " * ", " / ", " % ", "+", "*") + g.number()
}

func (g *writer) number() string {
	return g.of("1", "7", "$i", "$map.a", "$list.size()", "0", "3", "(2 + 1)", "$s", "2.5", "$nothing")
}

func (g *writer) cond(depth int) string {
	switch {
	case depth <= 0 || g.IntN(3) == 0:
		return g.of("$t", "$f", "$s", "$nothing", "$e", "$list", "true", "false", "$map.a", "$map.nothing", "$i")
	case g.IntN(3) == 0:
		return "!" + g.of("$t", "$f", "$nothing", "($s == 'Hello')")
	case g.IntN(2) == 0:
		return g.cond(depth-1) + g.of(" && ", " || ", " and ", " or ") + g.cond(depth-1)
	}
	return g.simple() + g.of(" == ", " != ", " > ", " < ", " >= ", " <= ", " eq ", " ne ", " lt ") + g.simple()
}
