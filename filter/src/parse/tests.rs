//! Texts and the actions they come to. Which of them are refused, and in which words, is as libpcap 1.10.3 has it.

use super::parse;
use crate::action::{Action as A, Alu, AtmField, Dir, Kind, Llc, Mtp3, Proto, Qual, Rel};

const SYNTAX: &str = "can't parse filter expression: syntax error";
const MEMORY: &str = "can't parse filter expression: memory exhausted";

fn actions(text: &str) -> Vec<A> {
    parse(text.as_bytes())
}

fn qual(proto: Option<Proto>, dir: Dir, kind: Kind) -> Qual {
    Qual::Of { proto, dir, kind }
}

fn host() -> Qual {
    qual(None, Dir::Default, Kind::Host)
}

fn port(proto: Option<Proto>) -> Qual {
    qual(proto, Dir::Default, Kind::Port)
}

fn name(text: &str, qual: Qual) -> A {
    A::Name(text.into(), qual)
}

fn fail(text: &str) -> A {
    A::Fail(text.into())
}

/// The text in which parsing ends, if it fails.
fn failure(text: &str) -> Option<String> {
    match actions(text).pop() {
        Some(A::Fail(text)) => Some(text),
        _ => None,
    }
}

#[test]
fn an_empty_text_asks_for_nothing() {
    assert_eq!(actions(""), []);
    assert_eq!(actions(" \r\n\t"), []);
}

#[test]
fn names_inherit_the_qualifiers_of_the_one_before() {
    assert_eq!(actions("host a or b"), [name("a", host()), name("b", host()), A::Or]);
    assert_eq!(actions("not host a or b"), [name("a", host()), A::Not, name("b", host()), A::Or]);
    assert_eq!(
        actions("tcp port 80 or (81 and not http)"),
        [
            A::Number(80, port(Some(Proto::Tcp))),
            A::Number(81, port(Some(Proto::Tcp))),
            name("http", port(Some(Proto::Tcp))),
            A::Not,
            A::And,
            A::Or
        ]
    );
    assert_eq!(actions("port (80 or http)"), [A::Number(80, port(None)), name("http", port(None)), A::Or]);
}

#[test]
fn behind_anything_but_a_name_there_are_none_to_inherit() {
    assert_eq!(actions("tcp or 80"), [A::Abbrev(Proto::Tcp), A::Number(80, Qual::Undefined), A::Or]);
    assert_eq!(actions("(host a) or b"), [name("a", host()), name("b", Qual::Undefined), A::Or]);
}

#[test]
fn a_parenthesis_hands_on_what_stood_before_it() {
    assert_eq!(
        actions("host a or (udp port 53) or b"),
        [name("a", host()), A::Number(53, port(Some(Proto::Udp))), A::Or, name("b", host()), A::Or]
    );
}

#[test]
fn and_and_or_bind_alike_and_to_the_left() {
    assert_eq!(
        actions("ip or tcp and udp"),
        [A::Abbrev(Proto::Ip), A::Abbrev(Proto::Tcp), A::Or, A::Abbrev(Proto::Udp), A::And]
    );
}

#[test]
fn directions_join_into_one() {
    let both = |dir| A::Number(1, qual(None, dir, Kind::Default));
    assert_eq!(actions("src or dst 1"), [both(Dir::Or)]);
    assert_eq!(actions("dst and src 1"), [both(Dir::And)]);
    assert_eq!(actions("src and src 1"), [fail(SYNTAX)]);
    assert_eq!(
        actions("wlan ra host 1:2:3:4:5:6"),
        [A::Ether("1:2:3:4:5:6".into(), qual(Some(Proto::Link), Dir::Ra, Kind::Host))]
    );
}

#[test]
fn addresses_have_their_own_actions() {
    let net = qual(None, Dir::Default, Kind::Net);
    assert_eq!(actions("net 1.2/16"), [A::Net("1.2".into(), 16, net)]);
    assert_eq!(actions("net 1.2.3.0 mask 255.255.255.0"), [A::NetMask("1.2.3.0".into(), "255.255.255.0".into(), net)]);
    assert_eq!(actions("net 1.2.3"), [A::Dotted("1.2.3".into(), net)]);
    assert_eq!(actions("net 10"), [A::Number(10, net)]);
    assert_eq!(actions("host ::1"), [A::Net6("::1".into(), 128, host())]);
    assert_eq!(actions("net fe80::/10"), [A::Net6("fe80::".into(), 10, net)]);
    assert_eq!(actions("host $1f"), [A::Arcnet("$1f".into(), host())]);
    assert_eq!(failure("net 10/8").as_deref(), Some(SYNTAX));
}

#[test]
fn arithmetic_has_precedences() {
    assert_eq!(
        actions("1 + 2 * 3 << 4 = len"),
        [
            A::Const(1),
            A::Const(2),
            A::Const(3),
            A::Alu(Alu::Mul),
            A::Alu(Alu::Add),
            A::Const(4),
            A::Alu(Alu::Lsh),
            A::Len,
            A::Relation(Rel::Eq)
        ]
    );
    assert_eq!(
        actions("len - 2 - 3 = 1"),
        [A::Len, A::Const(2), A::Alu(Alu::Sub), A::Const(3), A::Alu(Alu::Sub), A::Const(1), A::Relation(Rel::Eq)]
    );
}

#[test]
fn percent_and_caret_take_whatever_is_on_their_right() {
    assert_eq!(
        actions("len % 2 * 3 = 1"),
        [A::Len, A::Const(2), A::Const(3), A::Alu(Alu::Mul), A::Alu(Alu::Mod), A::Const(1), A::Relation(Rel::Eq)]
    );
    assert_eq!(
        actions("-len ^ 2 != 1"),
        [A::Len, A::Const(2), A::Alu(Alu::Xor), A::Neg, A::Const(1), A::Relation(Rel::Ne)]
    );
    assert_eq!(
        actions("-len & 2 < 1"),
        [A::Len, A::Neg, A::Const(2), A::Alu(Alu::And), A::Const(1), A::Relation(Rel::Lt)]
    );
}

#[test]
fn bytes_of_a_packet_have_an_index_and_a_size() {
    assert_eq!(
        actions("tcp[tcpflags:2] & tcp-syn != 0"),
        [A::Const(13), A::Load(Proto::Tcp, 2), A::Const(2), A::Alu(Alu::And), A::Const(0), A::Relation(Rel::Ne)]
    );
    assert_eq!(
        actions("(ip[ip[0]]) >= (1)"),
        [A::Const(0), A::Load(Proto::Ip, 1), A::Load(Proto::Ip, 1), A::Const(1), A::Relation(Rel::Ge)]
    );
}

#[test]
fn a_number_in_parentheses_is_what_the_place_makes_of_it() {
    assert_eq!(
        actions("port 80 and ((1)) = len"),
        [A::Number(80, port(None)), A::Const(1), A::Len, A::Relation(Rel::Eq), A::And]
    );
    assert_eq!(actions("port 80 and ((1))"), [A::Number(80, port(None)), A::Number(1, port(None)), A::And]);
    assert_eq!(actions("vlan ((5))"), [A::Vlan(Some(5))]);
    assert_eq!(actions("vlan and mpls"), [A::Vlan(None), A::Mpls(None), A::And]);
}

#[test]
fn groups_of_names_nest_only_behind_and_and_or() {
    assert_eq!(failure("port ((80 or 81) or 82)").as_deref(), Some(SYNTAX));
    assert_eq!(failure("port (80 or (81 or 82))"), None);
    assert_eq!(failure("(80 or 81)").as_deref(), Some(SYNTAX));
    assert_eq!(failure("port 80 or ((81 or 82) or 83)").as_deref(), Some(SYNTAX));
    assert_eq!(failure("host a and (b or tcp)").as_deref(), Some(SYNTAX));
    assert_eq!(failure("host a and (tcp or b)"), None);
}

#[test]
fn what_is_complete_comes_before_the_error_behind_it() {
    assert_eq!(actions("host a b"), [name("a", host()), fail(SYNTAX)]);
    assert_eq!(actions("vlan tcp"), [A::Vlan(None), fail(SYNTAX)]);
    assert_eq!(actions("port (80 81)"), [A::Number(80, port(None)), fail(SYNTAX)]);
    assert_eq!(actions("tcp udp"), [fail(SYNTAX)]);
    assert_eq!(
        actions("vpi (1 or 2 and"),
        [A::AtmField(AtmField::Vpi, Rel::Eq, 1), A::AtmField(AtmField::Vpi, Rel::Eq, 2), A::Or, fail(SYNTAX)]
    );
}

#[test]
fn a_wrong_token_is_reported_before_a_wrong_place_that_is_found_later() {
    assert_eq!(failure("port 1.2.3.4 09").as_deref(), Some("number 09 contains non-octal digit"));
    assert_eq!(failure("port 1.2.3.4").as_deref(), Some("'port' modifier applied to ip host"));
    assert_eq!(failure("reason foo 09").as_deref(), Some("unknown PF reason \"foo\""));
}

#[test]
fn fields_take_numbers_and_comparisons() {
    assert_eq!(actions("opc > 5"), [A::Mtp3(Mtp3::Opc, Rel::Gt, 5)]);
    assert_eq!(actions("vci 5"), [A::AtmField(AtmField::Vci, Rel::Eq, 5)]);
    assert_eq!(failure("vci ((5))").as_deref(), Some(SYNTAX));
    assert_eq!(actions("byte 3 | 4"), [A::Byte(3, b'|', 4)]);
}

#[test]
fn frame_types_have_names_and_numbers() {
    assert_eq!(actions("type MGT subtype beacon"), [A::Wlan(0x80, 0xfc)]);
    assert_eq!(actions("wlan type 4 subtype 0xb0"), [A::Wlan(0xb4, 0xfc)]);
    assert_eq!(actions("subtype ba"), [A::Wlan(0x94, 0xfc)]);
    assert_eq!(actions("direction tods"), [A::WlanDir(1)]);
    assert_eq!(actions("llc rnr"), [A::Llc(Llc::SType(5))]);
    assert_eq!(actions("llc \\rnr"), [A::Llc(Llc::SType(5))]);
    assert_eq!(actions("llc u or llc"), [A::Llc(Llc::U), A::Llc(Llc::Any), A::Or]);
    assert_eq!(actions("reason short and action block"), [A::PfReason(3), A::PfAction(1), A::And]);
}

#[test]
fn wrong_frame_types_are_named() {
    for (text, error) in [
        ("type foo", "unknown 802.11 type name \"foo\""),
        ("type 0x80", "invalid 802.11 type value 0x80"),
        ("type mgt subtype foo", "unknown 802.11 subtype name \"foo\""),
        ("type mgt subtype 1", "invalid 802.11 subtype value 0x01"),
        ("type 12 subtype foo", "unknown 802.11 type"),
        ("subtype foo", "unknown 802.11 type name"),
        ("subtype 5", SYNTAX),
        ("dir foo", "unknown 802.11 direction"),
        ("reason foo", "unknown PF reason \"foo\""),
        ("action foo", "unknown PF action \"foo\""),
        ("action 5", SYNTAX),
        ("llc foo", "unknown LLC type name \"foo\""),
    ] {
        assert_eq!(actions(text), [fail(error)], "{text}");
    }
}

#[test]
fn the_stack_is_as_deep_as_that_of_libpcap() {
    assert_eq!(actions(&"(".repeat(9996)), [fail(SYNTAX)]);
    assert_eq!(actions(&"(".repeat(9997)), [fail(MEMORY)]);
    assert_eq!(actions(&"not ".repeat(1 << 20)), [fail(MEMORY)]);
    assert_eq!(failure(&"1^".repeat(4000)).as_deref(), Some(SYNTAX));
    assert_eq!(failure(&"1^".repeat(6000)).as_deref(), Some(MEMORY));
    assert_eq!(failure(&format!("len=0{}", "+1".repeat(1 << 18))), None);
}

#[test]
fn long_names_are_read_whole() {
    let long = "a".repeat(1 << 16);
    assert_eq!(actions(&format!("host {long}")), [name(&long, host())]);
}

/// The generator's two stacks: how many conditions and operands an action takes and leaves.
fn stack_effect(action: &A) -> ((usize, usize), (usize, usize)) {
    match action {
        A::And | A::Or => ((2, 0), (1, 0)),
        A::Not => ((1, 0), (1, 0)),
        A::Relation(_) => ((0, 2), (1, 0)),
        A::Const(_) | A::Len => ((0, 0), (0, 1)),
        A::Load(..) | A::Neg => ((0, 1), (0, 1)),
        A::Alu(_) => ((0, 2), (0, 1)),
        A::Fail(_) => ((0, 0), (0, 0)),
        _ => ((0, 0), (1, 0)),
    }
}

#[test]
fn the_stacks_never_run_dry_and_hold_one_condition_in_the_end() {
    let words = [
        "tcp", "(", ")", "not ", " and ", " or ", "port", " 80 ", "::1", "1.2", "[", "]", "len", "=", "-", "^",
        "host ", "\\", " a ", "vlan", "mask", "/", "vpi", "src ", "<", "llc",
    ];
    let mut state = 1_u32;
    let mut next = |n: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % n
    };
    let mut accepted = 0;
    for _ in 0..100_000 {
        let text: String = (0..next(9)).map(|_| words[next(words.len())]).collect();
        let actions = actions(&text);
        let (mut conditions, mut operands) = (0_usize, 0_usize);
        for action in &actions {
            let (taken, left) = stack_effect(action);
            assert!(conditions >= taken.0 && operands >= taken.1, "{text}: {actions:?}");
            conditions = conditions - taken.0 + left.0;
            operands = operands - taken.1 + left.1;
        }
        let fails = actions.iter().position(|action| matches!(action, A::Fail(_)));
        match fails {
            Some(at) => assert_eq!(at, actions.len() - 1, "{text}"),
            None => {
                assert_eq!((conditions, operands), (usize::from(!actions.is_empty()), 0), "{text}: {actions:?}");
                accepted += conditions;
            }
        }
    }
    assert!(accepted > 1000, "{accepted}");
}
