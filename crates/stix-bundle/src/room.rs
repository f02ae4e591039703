//! Lists that may have millions of elements.

/// Adds an element; a full list that is long grows by an eighth, not by as much again.
pub(crate) fn push<T>(list: &mut Vec<T>, element: T) {
    if list.len() == list.capacity() && list.len() >= LONG {
        list.reserve_exact(list.len() / 8);
    }
    list.push(element);
}

/// From here on, growing by an eighth saves more than it costs.
const LONG: usize = 1 << 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_has_little_room_to_spare() {
        let mut list = Vec::new();
        let mut moves = 0;
        for element in 0..1_000_000_u32 {
            let room = list.capacity();
            push(&mut list, element);
            moves += u32::from(list.capacity() != room);
            let spare = list.capacity() - list.len();
            assert!(spare <= LONG.max(list.len() / 8), "{element}: {spare}");
        }
        assert!(list.into_iter().eq(0..1_000_000));
        assert!(moves < 100, "{moves}");
    }
}
