package runtimes

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"strings"
)

// Java can change neither its working folder nor the variables that its children inherit, and a process that waits
// for its function has to: what was mounted on the folder later is not seen from it. So a shared library lies beside
// its bootstrap, of three functions of a few instructions, which Native.java calls. It is put together here, since
// nothing else of Tule needs a compiler of C.

const nativeLibrary = "native.so"

// Where the parts of the library lie, and how far apart its two segments are in memory, however large pages are.
const (
	nativeSymbols = 0x120
	nativeHash    = 0x198
	nativeNames   = 0x1b8
	nativeText    = 0x260
	nativeDynamic = 0x2c0
	nativeRela    = nativeDynamic + 9*16
	nativeEnviron = nativeRela + 24 // the address of libc's environ
	nativeEnd     = nativeEnviron + 8
	nativePage    = 0x10000
)

// The functions, each on 16 bytes of their own, and the path behind the first.
const (
	nativeEnter   = nativeText        // int enter(): chdir("/var/task")
	nativePath    = nativeText + 0x10 // "/var/task"
	nativeAddress = nativeText + 0x20 // long address(ByteBuffer): JNI's GetDirectBufferAddress
	nativeAdopt   = nativeText + 0x30 // void adopt(long): environ = it
)

// nativeCode is the functions for each architecture on which there are sandboxes.
var nativeCode = map[string]map[int][]byte{
	"amd64": {
		nativeEnter: {
			0xb8, 80, 0, 0, 0, // mov eax, SYS_chdir
			0x48, 0x8d, 0x3d, 4, 0, 0, 0, // lea rdi, [rip+4]: the path
			0x0f, 0x05, // syscall
			0xc3, // ret
		},
		nativeAddress: {
			0x48, 0x89, 0xd6, // mov rsi, rdx
			0x48, 0x8b, 0x07, // mov rax, [rdi]
			0xff, 0xa0, 0x30, 0x07, 0, 0, // jmp [rax+230*8]
		},
		nativeAdopt: {
			0x48, 0x8b, 0x05, 0x01, 0x01, 0x01, 0, // mov rax, [rip+…]: the address of environ
			0x48, 0x89, 0x10, // mov [rax], rdx
			0xc3, // ret
		},
	},
	"arm64": {
		nativeEnter: {
			0x28, 0x06, 0x80, 0xd2, // mov x8, SYS_chdir
			0x60, 0x00, 0x00, 0x10, // adr x0, pc+12: the path
			0x01, 0x00, 0x00, 0xd4, // svc 0
			0xc0, 0x03, 0x5f, 0xd6, // ret
		},
		nativeAddress: {
			0xe1, 0x03, 0x02, 0xaa, // mov x1, x2
			0x03, 0x00, 0x40, 0xf9, // ldr x3, [x0]
			0x63, 0x98, 0x43, 0xf9, // ldr x3, [x3, 230*8]
			0x60, 0x00, 0x1f, 0xd6, // br x3
		},
		nativeAdopt: {
			0x03, 0x00, 0x00, 0x10, // adr x3, …: the address of environ
			0x63, 0x00, 0x40, 0xf9, // ldr x3, [x3]
			0x62, 0x00, 0x00, 0xf9, // str x2, [x3]
			0xc0, 0x03, 0x5f, 0xd6, // ret
		},
	},
}

// nativeELF is the library for an architecture of Go's name; nil where there is none.
func nativeELF(arch string) []byte {
	code := nativeCode[arch]
	if code == nil {
		return nil
	}
	machine, relocation := elf.EM_X86_64, uint64(elf.R_X86_64_GLOB_DAT)
	if arch == "arm64" {
		machine, relocation = elf.EM_AARCH64, uint64(elf.R_AARCH64_GLOB_DAT)
	}
	names := "\x00"
	symbol := func(name string, section uint16, at, size uint64) elf.Sym64 {
		s := elf.Sym64{Name: uint32(len(names)), Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC), Shndx: section, Value: at, Size: size}
		if section == 0 {
			s.Info = elf.ST_INFO(elf.STB_GLOBAL, elf.STT_OBJECT)
		}
		names += name + "\x00"
		return s
	}
	const prefix = "Java_cloud_tule_runtime_Native_"
	symbols := []elf.Sym64{{}, symbol(prefix+"enter", 1, nativeEnter, 16), symbol(prefix+"address", 1, nativeAddress, 16),
		symbol(prefix+"adopt", 1, nativeAdopt, 16), symbol("environ", 0, 0, 8)}
	var f nativeFile
	f.put(0, elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_DYN), Machine: uint16(machine), Version: uint32(elf.EV_CURRENT), Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 4,
	}, segment(elf.PT_LOAD, elf.PF_R|elf.PF_X, 0, 0, nativeDynamic),
		segment(elf.PT_LOAD, elf.PF_R|elf.PF_W, nativeDynamic, nativePage, nativeEnd-nativeDynamic),
		segment(elf.PT_DYNAMIC, elf.PF_R|elf.PF_W, nativeDynamic, nativePage, nativeRela-nativeDynamic),
		segment(elf.PT_GNU_STACK, elf.PF_R|elf.PF_W, 0, 0, 0))
	f.put(nativeSymbols, symbols)
	f.put(nativeHash, [8]uint32{1, 5, 1, 0, 2, 3, 0, 0}) // one bucket: symbols 1, 2, 3
	f.put(nativeNames, []byte(names))
	for at, text := range code {
		f.put(at, text)
	}
	f.put(nativePath, []byte(TaskRoot+"\x00"))
	f.environ(arch)
	f.put(nativeDynamic, []elf.Dyn64{
		{Tag: int64(elf.DT_HASH), Val: nativeHash}, {Tag: int64(elf.DT_STRTAB), Val: nativeNames}, {Tag: int64(elf.DT_SYMTAB), Val: nativeSymbols},
		{Tag: int64(elf.DT_STRSZ), Val: uint64(len(names))}, {Tag: int64(elf.DT_SYMENT), Val: 24},
		{Tag: int64(elf.DT_RELA), Val: nativePage + nativeRela}, {Tag: int64(elf.DT_RELASZ), Val: 24}, {Tag: int64(elf.DT_RELAENT), Val: 24}, {},
	}, elf.Rela64{Off: nativePage + nativeEnviron, Info: 4<<32 | relocation})
	return f[:]
}

// A nativeFile is the library as it is put together.
type nativeFile [nativeEnd]byte

func (f *nativeFile) put(at int, parts ...any) {
	var b bytes.Buffer
	for _, p := range parts {
		if err := binary.Write(&b, binary.LittleEndian, p); err != nil {
			panic(err) // all are of fixed size
		}
	}
	copy(f[at:], b.Bytes())
}

// environ lets adopt find the address of environ.
func (f *nativeFile) environ(arch string) {
	const far = nativePage + nativeEnviron - nativeAdopt
	if strings.HasPrefix(arch, "arm") {
		f.put(nativeAdopt, uint32(0x10000003|far&3<<29|far>>2<<5)) // adr x3
		return
	}
	f.put(nativeAdopt+3, uint32(far-7)) // from the next instruction
}

func segment(kind elf.ProgType, flags elf.ProgFlag, at, page, size uint64) elf.Prog64 {
	align := uint64(nativePage)
	if kind != elf.PT_LOAD {
		align = 8
	}
	return elf.Prog64{Type: uint32(kind), Flags: uint32(flags), Off: at, Vaddr: page + at, Paddr: page + at, Filesz: size, Memsz: size, Align: align}
}
