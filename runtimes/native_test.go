package runtimes

import (
	"bytes"
	"debug/elf"
	"testing"
)

// The library is one that tools read, with its functions and what it wants of libc. TestJava in svc/lambda calls it.
func TestNativeLibrary(t *testing.T) {
	for arch, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		f, err := elf.NewFile(bytes.NewReader(nativeELF(arch)))
		if err != nil {
			t.Fatal(err)
		}
		if f.Machine != machine || f.Type != elf.ET_DYN || len(f.Progs) != 4 {
			t.Errorf("%s: %+v", arch, f.FileHeader)
		}
		for _, p := range f.Progs {
			if p.Flags&(elf.PF_W|elf.PF_X) == elf.PF_W|elf.PF_X {
				t.Errorf("%s: %v can be written and run", arch, p.Type)
			}
			if p.Type == elf.PT_LOAD && p.Vaddr%p.Align != p.Off%p.Align {
				t.Errorf("%s: a segment at %#x, of %#x in the file", arch, p.Vaddr, p.Off)
			}
		}
		file := nativeELF(arch)
		if path := file[nativePath:nativeAddress]; !bytes.HasPrefix(path, []byte(TaskRoot+"\x00")) {
			t.Errorf("%s: the path is %q", arch, path)
		}
		for _, name := range []string{"enter", "address", "adopt"} {
			if !bytes.Contains(file[nativeNames:nativeText], []byte("_Native_"+name+"\x00")) {
				t.Errorf("%s: without %s", arch, name)
			}
		}
	}
	if nativeELF("riscv64") != nil {
		t.Error("code for an architecture without sandboxes")
	}
}
