//! Which parts go together: sizes in, pushes out. Nothing here does anything.

use crate::Refused;

/// What matters of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Measure {
    /// Its bytes in a bundle.
    pub(super) bytes: usize,
    /// Its bytes where that bundle is a text within JSON.
    pub(super) escaped: usize,
    /// Its place in the order of dependencies.
    pub(super) level: u64,
}

/// The most that one push takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) bytes: usize,
    pub(super) escaped: usize,
    /// How many different levels, which no chain of references within it can exceed.
    pub(super) levels: usize,
}

/// Whether parts may share a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    /// Each part goes alone.
    Alone,
    /// As many as fit go together.
    Together,
}

/// A shipment in pushes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pushes {
    /// The indexes of the parts of each push, in the order of the parts.
    pub(super) bundles: Vec<Vec<usize>>,
    /// The parts that fit into no push.
    pub(super) refused: Vec<Refused>,
}

/// Divides parts into as few pushes as may be.
///
/// A worker imports a bundle of one object at once, but puts the objects of a larger one at the end
/// of the queue: a lone object would overtake those before it that it refers to. So either every
/// push holds several parts, or every push holds one.
pub(super) fn divide(parts: &[Measure], room: &Room, sharing: Sharing) -> Pushes {
    let mut pushes = Pushes::default();
    let mut fitting = Vec::with_capacity(parts.len());
    for (index, part) in parts.iter().enumerate() {
        match refusal(part, room) {
            Some(reason) => pushes.refused.push(Refused { index, reason }),
            None => fitting.push(index),
        }
    }
    pushes.bundles = match sharing {
        Sharing::Alone => alone(&fitting),
        Sharing::Together => together(&fitting, parts, room),
    };
    pushes
}

fn refusal(part: &Measure, room: &Room) -> Option<String> {
    if part.bytes > room.bytes {
        return Some(format!(
            "its {} bytes are more than the {} that a message of the platform's broker can carry",
            part.bytes, room.bytes
        ));
    }
    (part.escaped > room.escaped).then(|| {
        format!(
            "it takes {} bytes of a request, more than the {} that DIODE_IMPORT_API_BODY_BYTES \
             leaves",
            part.escaped, room.escaped
        )
    })
}

fn alone(fitting: &[usize]) -> Vec<Vec<usize>> {
    fitting.iter().map(|&index| vec![index]).collect()
}

fn together(fitting: &[usize], parts: &[Measure], room: &Room) -> Vec<Vec<usize>> {
    let mut bundles = filled(fitting, parts, room);
    for number in 1..bundles.len() {
        if let ([.., before], [lone, ..]) = bundles.split_at_mut(number) {
            accompany(before, lone, parts, room);
        }
    }
    if bundles.len() > 1 && bundles.iter().any(|bundle| bundle.len() == 1) {
        return alone(fitting);
    }
    bundles
}

/// Fills one bundle after the other.
fn filled(fitting: &[usize], parts: &[Measure], room: &Room) -> Vec<Vec<usize>> {
    let mut bundles: Vec<Vec<usize>> = Vec::new();
    let mut load = Load::default();
    for &index in fitting {
        if let (Some(more), Some(bundle)) = (load.with(&parts[index], room), bundles.last_mut()) {
            load = more;
            bundle.push(index);
        } else {
            load = Load::of(&parts[index]);
            bundles.push(vec![index]);
        }
    }
    bundles
}

/// Moves the last part before a lone one over to it, where both have room and the others are not
/// made lonely by it.
fn accompany(before: &mut Vec<usize>, lone: &mut Vec<usize>, parts: &[Measure], room: &Room) {
    let (&[.., _, _, last], &[only]) = (before.as_slice(), lone.as_slice()) else {
        return;
    };
    if Load::of(&parts[last]).with(&parts[only], room).is_some() {
        before.pop();
        lone.insert(0, last);
    }
}

/// What a push holds so far.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    bytes: usize,
    escaped: usize,
    levels: usize,
    last_level: u64,
}

impl Load {
    fn of(part: &Measure) -> Self {
        Self {
            bytes: part.bytes,
            escaped: part.escaped,
            levels: 1,
            last_level: part.level,
        }
    }

    /// The load with one more part; `None` where it does not fit.
    fn with(self, part: &Measure, room: &Room) -> Option<Self> {
        let more = Self {
            bytes: self.bytes + part.bytes,
            escaped: self.escaped + part.escaped,
            levels: self.levels + usize::from(part.level != self.last_level),
            last_level: part.level,
        };
        let fits =
            more.bytes <= room.bytes && more.escaped <= room.escaped && more.levels <= room.levels;
        fits.then_some(more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Room = Room {
        bytes: 10,
        escaped: 20,
        levels: 3,
    };

    /// Parts of these sizes, all of one level, whose escaped form is no longer.
    fn sized(sizes: &[usize]) -> Vec<Measure> {
        let measure = |&bytes| Measure {
            bytes,
            escaped: bytes,
            level: 1,
        };
        sizes.iter().map(measure).collect()
    }

    fn check(parts: &[Measure], sharing: Sharing, bundles: &[&[usize]], refused: &[usize]) {
        let pushes = divide(parts, &ROOM, sharing);
        assert_eq!(pushes.bundles, bundles, "{parts:?}");
        let named: Vec<usize> = pushes.refused.iter().map(|part| part.index).collect();
        assert_eq!(named, refused, "{parts:?}");
    }

    #[test]
    fn as_many_go_together_as_fit() {
        use Sharing::{Alone, Together};
        check(&[], Together, &[], &[]);
        check(&sized(&[4]), Together, &[&[0]], &[]);
        check(&sized(&[5, 5]), Together, &[&[0, 1]], &[]);
        check(
            &sized(&[5, 4, 1, 1, 1]),
            Together,
            &[&[0, 1, 2], &[3, 4]],
            &[],
        );
        check(&sized(&[5, 5]), Alone, &[&[0], &[1]], &[]);
    }

    #[test]
    fn no_push_holds_one_part_beside_pushes_of_several() {
        use Sharing::Together;
        check(&sized(&[4, 4, 1, 5]), Together, &[&[0, 1], &[2, 3]], &[]);
        check(
            &sized(&[4, 4, 2, 9]),
            Together,
            &[&[0], &[1], &[2], &[3]],
            &[],
        );
        check(&sized(&[5, 5, 5]), Together, &[&[0], &[1], &[2]], &[]);
        check(&sized(&[9, 5, 5]), Together, &[&[0], &[1], &[2]], &[]);
        check(&sized(&[9, 9]), Together, &[&[0], &[1]], &[]);
    }

    #[test]
    fn what_fits_nowhere_is_refused_and_the_rest_goes() {
        use Sharing::{Alone, Together};
        check(&sized(&[11]), Together, &[], &[0]);
        check(&sized(&[10]), Together, &[&[0]], &[]);
        check(&sized(&[1, 11, 1]), Together, &[&[0, 2]], &[1]);
        check(&sized(&[1, 11, 1]), Alone, &[&[0], &[2]], &[1]);
        let escaped = |escaped| Measure {
            bytes: 10,
            escaped,
            level: 1,
        };
        check(&[escaped(20)], Together, &[&[0]], &[]);
        check(&[escaped(21)], Together, &[], &[0]);
        let reason = |part| divide(&[part], &ROOM, Together).refused[0].reason.clone();
        assert!(reason(escaped(21)).contains("DIODE_IMPORT_API_BODY_BYTES"));
        assert!(reason(sized(&[11])[0]).contains("broker"));
    }

    #[test]
    fn escaped_text_counts_too() {
        let long = Measure {
            bytes: 1,
            escaped: 9,
            level: 1,
        };
        check(&[long; 4], Sharing::Together, &[&[0, 1], &[2, 3]], &[]);
    }

    #[test]
    fn chains_of_references_are_cut() {
        let level = |level| Measure {
            bytes: 1,
            escaped: 1,
            level,
        };
        let parts = [1, 1, 2, 3, 4, 4, 5].map(level);
        check(&parts, Sharing::Together, &[&[0, 1, 2, 3], &[4, 5, 6]], &[]);
    }
}
